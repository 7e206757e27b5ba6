"""How much a channel matters: one number per channel of a group, from the weights that make it."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph, Group

Criterion = Literal["l1", "l2", "batch_norm_scale", "random"]
Aggregate = Literal["mean", "max", "sum"]


def scores(
    graph: ChannelGraph,
    network: nn.Module,
    group: Group,
    criterion: Criterion = "l2",
    aggregate: Aggregate = "mean",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Score the channels of a group.

    `l1` and `l2` are norms of each layer's filter, aggregated over the layers that make the channel (He
    et al. 2017 call the former's sum over a filter its magnitude; Li et al. 2017, section 3.1);
    `batch_norm_scale` is |γ| of its batch norms (Liu et al. 2017); without one, the l2 norm stands in.

    Args:
        graph: of the network.
        network: whose weights count.
        group: one of the graph's.
        criterion: what is measured.
        aggregate: over layers.
        generator: for `random`.

    Returns:
        Shape `[n]`, float64, at least 0: greater matters more.
    """
    if criterion == "random":
        return torch.rand(len(group.channels), generator=generator, dtype=torch.float64)
    axes: tuple[Axis, ...] = group.writers
    if criterion == "batch_norm_scale":
        axes = _scales(graph, network, group) or axes
    rows = [_of_axis(graph, network, group, axis, 1 if criterion == "l1" else 2) for axis in axes]
    return _AGGREGATES[aggregate](torch.stack(rows))


_AGGREGATES: dict[Aggregate, Callable[[Tensor], Tensor]] = {
    "mean": lambda rows: rows.mean(0),
    "max": lambda rows: rows.amax(0),
    "sum": lambda rows: rows.sum(0),
}


def _of_axis(
    graph: ChannelGraph, network: nn.Module, group: Group, axis: Axis, power: int
) -> Tensor:
    """Return a norm per channel over all indices of the dimension that belong to it, shape `[n]`."""
    weight = network.get_parameter(axis.parameter).detach()
    rows = weight.movedim(axis.dimension, 0).reshape(weight.shape[axis.dimension], -1)
    energy = torch.linalg.vector_norm(rows.float(), power, 1).double().cpu().pow(power)
    total = torch.zeros(graph.channels.count, dtype=torch.float64)
    total.scatter_add_(0, graph.channels_of(axis), energy)
    return total[group.channels].pow(1 / power)


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
