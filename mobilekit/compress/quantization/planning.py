"""What is written down of the grids in the end."""

from collections.abc import Iterable, Sequence

from torch import nn

from mobilekit.compress.quantization.activations import Activations
from mobilekit.compress.quantization.palettes import Palette
from mobilekit.compress.quantization.targets import Target
from mobilekit.core.quantization_plan import LayerPlan, QuantizationPlan


def plan_of(
    form: str,
    wanted: Sequence[Target],
    grids: Iterable[nn.Module],
    floats: tuple[str, ...],
    activations: Activations,
) -> QuantizationPlan:
    """Return the plan of a network whose weights lie on their grids.

    Args:
        form: of the layers that no pattern names.
        wanted: layers that are quantized.
        grids: theirs.
        floats: names of layers that are not.
        activations: with their ranges.

    Raises:
        TrainingError: a range that is not finite.
    """
    layers = []
    for target, grid in zip(wanted, grids, strict=True):
        scales, table = (), ()
        if isinstance(grid, Palette):
            table = tuple(sorted({*target.weight.detach().flatten().tolist()}))
        else:
            scales = tuple(grid.scales(target.weight.detach()).tolist())  # type: ignore[operator]
        reads = activations.of_layer(target.name)
        layers.append(LayerPlan(target.name, target.form.words, scales, table, reads))
    return QuantizationPlan(form, tuple(layers), floats, activations.of_network())
