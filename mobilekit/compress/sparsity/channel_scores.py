"""How much a channel matters: one number per channel of a group, from the weights that make it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph, Group
from mobilekit.compress.graph.stored import stored

Criterion = Literal["l1", "l2", "batch_norm_scale", "random"]
Aggregate = Literal["mean", "max", "sum"]


@dataclass(frozen=True)
class GroupCriterion:
    """What is measured of a channel, and how it comes together over the layers that make it.

    `l1` and `l2` are norms of each layer's filter (He et al. 2017 call the former's sum over a filter its
    magnitude; Li et al. 2017, section 3.1); `batch_norm_scale` is |γ| of the channel's batch norms (Liu
    et al. 2017), and without one the l2 norm. Channels of an input count by the weights that read them.
    """

    criterion: Criterion = "l2"
    aggregate: Aggregate = "mean"
    normalized: bool = False
    """Divide each layer's scores by their mean first, so that every layer counts the same."""


def scores(
    graph: ChannelGraph,
    network: nn.Module,
    group: Group,
    by: GroupCriterion | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Score the channels of a group.

    Args:
        graph: of the network.
        network: whose weights count.
        group: one of the graph's.
        by: what is measured; the mean l2 norm by default.
        generator: for `random`.

    Returns:
        Shape `[n]`, float64, at least 0: greater matters more.
    """
    by = by or GroupCriterion()
    if by.criterion == "random":
        return torch.rand(len(group.channels), generator=generator, dtype=torch.float64)
    axes: tuple[Axis, ...] = group.writers or _readers(graph, group)
    if not axes:
        return torch.zeros(len(group.channels), dtype=torch.float64)
    if by.criterion == "batch_norm_scale":
        axes = _scales(graph, network, group) or axes
    power = 1 if by.criterion == "l1" else 2
    rows = torch.stack([_of_axis(graph, network, group, axis, power) for axis in axes])
    if by.normalized:
        rows /= rows.mean(1, keepdim=True).clamp_min(1e-300)
    return _AGGREGATES[by.aggregate](rows)


_AGGREGATES: dict[Aggregate, Callable[[Tensor], Tensor]] = {
    "mean": lambda rows: rows.mean(0),
    "max": lambda rows: rows.amax(0),
    "sum": lambda rows: rows.sum(0),
}


def _of_axis(
    graph: ChannelGraph, network: nn.Module, group: Group, axis: Axis, power: int
) -> Tensor:
    """Return a norm per channel over all indices of the dimension that belong to it, shape `[n]`."""
    weight = stored(network, axis.parameter).detach()
    rows = weight.movedim(axis.dimension, 0).reshape(weight.shape[axis.dimension], -1)
    energy = torch.linalg.vector_norm(rows.float(), power, 1).double().cpu().pow(power)
    total = torch.zeros(graph.channels.count, dtype=torch.float64)
    total.scatter_add_(0, graph.channels_of(axis), energy)
    return total[group.channels].pow(1 / power)


def _readers(graph: ChannelGraph, group: Group) -> tuple[Axis, ...]:
    """Return the weight dimensions that read channels of an input, each once."""
    members = set(group.channels.tolist())
    found = {
        reading.axis: None
        for reading in graph.readings
        if members & set(graph.channels_of(reading.axis).tolist())
    }
    return tuple(found)


def _scales(graph: ChannelGraph, network: nn.Module, group: Group) -> tuple[Axis, ...]:
    """Return the scales of the batch norms that the group's channels, all of them, go through."""
    wanted = set(group.channels.tolist())
    found = []
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:  # noqa: SLF001
            axis = Axis(f"{name}.weight".lstrip("."), 0)
            if axis in graph.axes_of(axis.parameter) and wanted <= set(
                graph.channels_of(axis).tolist()
            ):
                found.append(axis)
    return tuple(found)
