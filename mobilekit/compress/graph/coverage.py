"""Say of every layer what became of its channels: pruned, whole, pinned (why), unsupported (where)."""

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.core.reports import Coverage, LayerCoverage, LayerState

_LAYERS = (nn.modules.conv._ConvNd, nn.Linear)  # noqa: SLF001


def coverage(graph: ChannelGraph, network: nn.Module, removed: Tensor | None = None) -> Coverage:
    """List every layer that makes channels, and every input whose channels may go.

    Args:
        graph: of the network.
        network: whose layers are listed, also those that did not run.
        removed: whether each channel goes, shape `[channels]`; None for what could go.
    """
    gone = removed if removed is not None else torch.zeros(graph.channels.count, dtype=torch.bool)
    names = {axis: group.name for group in graph.groups for axis in group.writers}
    names |= {axis: axis.parameter for axis in graph.inputs.values()}
    axes = (*graph.inputs.values(), *graph.writers)
    rows = [_row(graph, axis, gone, names.get(axis, "")) for axis in axes]
    return Coverage((*rows, *_idle(graph, network)))


def _row(graph: ChannelGraph, axis: Axis, gone: Tensor, group: str) -> LayerCoverage:
    channels = graph.channels_of(axis)
    before, after = len(channels), int((~gone[channels]).sum())
    state: LayerState = "whole"
    reason = ""
    if after < before:
        state = "pruned"
    elif bool(graph.channels.pinned[channels].all()):
        reason = "; ".join(graph.channels.reasons(dict.fromkeys(channels.tolist())))
        state = "unsupported" if reason.startswith("no rule for") else "pinned"
    name = axis.parameter.rpartition(".")[0] or axis.parameter
    return LayerCoverage(name, before, after, state, reason, group)


def _idle(graph: ChannelGraph, network: nn.Module) -> list[LayerCoverage]:
    """List layers whose weights no call has read, and those that are read in a way no rule knows."""
    written = {axis.parameter for axis in graph.writers}
    read = set(graph.record.names.values())
    rows = []
    for name, module in network.named_modules():
        weight = f"{name}.weight".lstrip(".")
        if not isinstance(module, _LAYERS) or weight in written:
            continue
        size = int(module.weight.shape[0])
        if weight in read:
            row = LayerCoverage(name, size, size, "unsupported", "its weight is not used as it is")
        else:
            row = LayerCoverage(name, size, size, "not run", "no call reads its weight")
        rows.append(row)
    return rows
