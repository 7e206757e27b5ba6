"""How long the layers of a network take, by a measured latency table."""

import math
import statistics
from collections.abc import Iterable, Mapping

from torch import nn

from mobilekit.compress.sparsity.latencies import Layer, Measured
from mobilekit.compress.sparsity.work import Work
from mobilekit.core.errors import ModelError, RecipeError

Shape = tuple[int, ...]
LEAST_NS = 500.0
"""What a layer takes at least: the profiler counts whole microseconds, so medians of 0 occur."""


def layer_times(
    network: nn.Module, names: Iterable[str], work: Mapping[str, Work], table: Measured
) -> dict[str, float]:
    """Return what the outputs of layers take together, in nanoseconds, by name.

    Of a layer that the table has at several widths, as many times what one output more takes (the slope of
    a straight line through the medians), where that grows; else the median at the layer's own width. A layer
    that runs several times takes the sum. Nothing takes less than `LEAST_NS`.

    Args:
        network: that the layers belong to.
        names: of the layers that are meant.
        work: of each layer, by name.
        table: as `read_table` returns it.

    Raises:
        RecipeError: a layer that the table does not have; it is named.
        ModelError: a layer that did not run.
    """
    found = {}
    for name in dict.fromkeys(names):
        if name not in work:
            raise ModelError(
                f"{name}: it did not run on the example inputs, so that its time is not known; leave it out"
                " by its name"
            )
        layer = network.get_submodule(name)
        found[name] = sum(_time(name, layer, given, table) for given in work[name].given)
    return found


def _time(name: str, layer: nn.Module, given: Shape, table: Measured) -> float:
    """Return what all outputs take in one run.

    Raises:
        RecipeError: the table does not have the layer.
    """
    named = f"{name}: " if name else ""
    called = _called(layer, given)
    if not called:
        raise RecipeError(
            f"latency_table: {named}no table can hold a {type(layer).__name__} of its kind; leave it out by"
            " its name (without)"
        )
    width = _width(layer)
    for one in called:
        taken = _taken(table.get(one, {}), width)
        if taken is not None:
            return max(taken, LEAST_NS)
    first = called[0]
    size = "×".join(map(str, (*first.kernel, *first.extents)))
    raise RecipeError(
        f"latency_table: {named}the table holds no {first.kind} {size} that reads {first.inputs} and makes"
        f" {width}; profile a file of this network, or leave the layer out by its name (without); one that never took a"
        " microsecond has no row"
    )


def _taken(curve: Mapping[int, float], width: int) -> float | None:
    """Return what all outputs take by the medians at some widths; None where these do not say it.

    >>> _taken({8: 300.0, 16: 500.0, 24: 700.0}, 16), _taken({16: 500.0}, 16), _taken({8: 300.0}, 16)
    (400.0, 500.0, None)
    """
    if len(curve) > 1:
        slope = statistics.linear_regression(list(curve), list(curve.values())).slope
        if slope > 0:
            return slope * width
    return curve.get(width)


def _width(layer: nn.Module) -> int:
    made = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    assert isinstance(made, int)  # noqa: S101  by _called
    return made


def _called(layer: nn.Module, given: Shape) -> tuple[Layer, ...]:
    """Return what a layer that takes a tensor of a shape may be called in a table."""
    if isinstance(layer, nn.Linear):
        return (Layer("FULLY_CONNECTED", (), (math.prod(given[1:-1]),), given[-1]),)
    if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        return ()
    channels, *extents = given[-3:]
    if isinstance(layer, nn.ConvTranspose2d):
        kind, inputs = "TRANSPOSE_CONV", channels
    elif layer.groups == channels > 1:
        kind, inputs = "DEPTHWISE_CONV_2D", layer.out_channels // channels
    else:
        kind, inputs = "CONV_2D", channels
    if layer.groups > 1 and kind != "DEPTHWISE_CONV_2D":
        return ()
    padding = (0, 0) if isinstance(layer.padding, str) else layer.padding
    padded = tuple(size + 2 * more for size, more in zip(extents, padding, strict=True))
    sizes = dict.fromkeys((tuple(extents), padded))
    return tuple(Layer(kind, layer.kernel_size, size, inputs) for size in sizes)
