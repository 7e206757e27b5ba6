"""What layers are for: which make the network's outputs, and which batch norms scale their filters."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import OUTPUT, ChannelGraph
from mobilekit.compress.graph.stored import stored
from mobilekit.compress.sparsity.grouped import Grouped


@dataclass(frozen=True, eq=False)
class Scale:
    """Where the batch-norm scales of a layer's filters are."""

    weight: Tensor
    """γ of the norm, itself and not a copy: it changes while the network trains."""
    places: Tensor
    """Place in it of each filter's, shape `[filters]`."""

    def sizes(self) -> Tensor:
        """Return |γ| per filter as it is now, shape `[filters]`."""
        return self.weight.detach()[self.places].abs()


def heads(graph: ChannelGraph, groups: Sequence[Grouped]) -> set[str]:
    """Return the layers, by path, of which some filter makes a channel of the network's outputs.

    Args:
        graph: of the network.
        groups: of any granularity; their layers are looked at.
    """
    layers = {group.name: group.layer for group in groups}
    return {
        layers[axis.parameter]
        for axis in graph.writers
        if axis.parameter in layers
        and OUTPUT in graph.channels.reasons(graph.channels_of(axis).tolist())
    }


def batch_norm_scales(
    graph: ChannelGraph, network: nn.Module, groups: Sequence[Grouped]
) -> dict[str, Scale]:
    """Find the scales γ of the batch norm behind each layer, one per filter, by the weight's name.

    Where several norms scale the same channels, the first in the order of the modules counts. Layers
    without one are left out.

    Args:
        graph: of the network.
        network: whose norms are meant.
        groups: filters of the layers.
    """
    norms = {}
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and module.affine:
            axis = Axis(f"{name}.weight".lstrip("."), 0)
            if axis in graph.axes_of(axis.parameter):
                channels = graph.channels_of(axis).tolist()
                norms[axis] = dict(zip(channels, range(len(channels)), strict=True))
    wanted = {group.name for group in groups}
    found: dict[str, Scale] = {}
    for writer in graph.writers:
        if writer.parameter not in wanted:
            continue
        channels = graph.channels_of(writer).tolist()
        for axis, places in norms.items():
            if all(channel in places for channel in channels):
                scale = stored(network, axis.parameter)
                order = [places[channel] for channel in channels]
                found[writer.parameter] = Scale(scale, torch.tensor(order, device=scale.device))
                break
    return found
