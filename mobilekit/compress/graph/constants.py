"""Channels that carry a constant: which are dead, and what each weight reads of them.

A filter of zeros does not give zeros: its bias, or the shift of the batch norm after it, makes it a
constant, and activations, sums, joins and pooling make other constants of that. What arrives at each
weight is measured, on a run with inputs of noise: a dead channel that arrives with a spread (at the
border of a padded map, behind a gate that depends on the input) is no constant there.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.record import Value, observe
from mobilekit.core.errors import ModelError

SPREAD = 8.0
"""Units in the last place (of the greatest magnitude) that a constant may spread over."""


def dead_channels(graph: ChannelGraph, network: nn.Module, epsilon: float = 0.0) -> Tensor:
    """Return which channels are made of weights of at most `epsilon` everywhere, shape `[channels]`.

    Of an input, where its channels are free: those that are read with such weights everywhere.
    """
    state = dict(network.named_parameters(remove_duplicate=False))
    largest = torch.full((graph.channels.count,), -1.0, dtype=torch.float64)
    for axis in graph.writers:
        if axis.parameter in state:
            sizes = _largest(state[axis.parameter], axis.dimension)
            largest.scatter_reduce_(0, graph.channels_of(axis), sizes, "amax")
    _read_inputs(graph, state, largest)
    return (largest >= 0) & (largest <= epsilon)


def _read_inputs(graph: ChannelGraph, state: Mapping[str, Tensor], largest: Tensor) -> None:
    """Of channels that no weight makes, those of inputs, the weights that read them count."""
    ours = torch.zeros(graph.channels.count, dtype=torch.bool)
    for group in graph.input_groups:
        ours[group.channels] = True
    if not bool(ours.any()):
        return
    for reading in graph.readings:
        channels = graph.channels_of(reading.axis)
        if reading.axis.parameter in state and bool(ours[channels].any()):
            sizes = _largest(state[reading.axis.parameter], reading.axis.dimension)
            sizes = torch.where(ours[channels], sizes, -torch.ones(()).double())
            largest.scatter_reduce_(0, channels, sizes, "amax")


def _largest(weight: Tensor, dimension: int) -> Tensor:
    """Return the largest magnitude at each index of a dimension, shape `[size]`, float64."""
    rows = weight.detach().movedim(dimension, 0)
    rows = rows.reshape(len(rows), -1)
    return torch.maximum(rows.amax(1), -rows.amin(1)).double().cpu()


Place = tuple[int, Value, int]
"""Where one looks: number of a call, a tensor that it takes, and a dimension of that tensor."""


def constants(
    graph: ChannelGraph,
    network: nn.Module,
    samples: Sequence[Sequence[Tensor]],
    places: Sequence[Place],
) -> list[Tensor]:
    """Return what arrives from each channel at some places of a run.

    Args:
        graph: of the network.
        network: runs once per sample.
        places: at which to look.
        samples: inputs, at least two different ones for a constant to show.

    Returns:
        Per place, shape `[size]` (of the dimension), float64: the constant, or NaN where the
        channel varies.

    Raises:
        ModelError: the network takes another path through its code on these inputs.
    """
    wanted: dict[tuple[int, int], list[int]] = {}
    for index, (call, value, _) in enumerate(places):
        position = graph.record.calls[call].inputs.index(value)
        wanted.setdefault((call, position), []).append(index)
    low: list[Tensor | None] = [None] * len(places)
    high: list[Tensor | None] = [None] * len(places)
    types: dict[int, torch.dtype] = {}

    def watch(call: int, place: int, tensor: Tensor) -> None:
        for index in wanted.get((call, place), ()):
            values = tensor.movedim(places[index][2], 0)
            values = values.reshape(len(values), -1)
            least, most = values.amin(1).double().cpu(), values.amax(1).double().cpu()
            first, second = low[index], high[index]
            low[index] = least if first is None else torch.minimum(first, least)
            high[index] = most if second is None else torch.maximum(second, most)
            types[index] = tensor.dtype

    for sample in samples:
        found = observe(network, sample, watch, graph.record)
        if [call.operator for call in found.calls] != [c.operator for c in graph.record.calls]:
            raise ModelError(
                "the network takes another path through its code when it runs than when it is traced"
            )
    return [_constant(low[i], high[i], types.get(i)) for i in range(len(places))]


def _constant(low: Tensor | None, high: Tensor | None, dtype: torch.dtype | None) -> Tensor:
    assert low is not None and high is not None and dtype is not None  # noqa: S101, PT018
    room = SPREAD * torch.finfo(dtype).eps * torch.maximum(low.abs(), high.abs())
    return torch.where(high - low <= room, (low + high) / 2, torch.nan)
