"""Random networks from a list of layers, and what tests do to networks."""

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.channels import ChannelGraph


def randomize(network: nn.Module, seed: int = 0) -> None:
    """Give norms statistics and affine values that hide nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                if module.running_mean is not None and module.running_var is not None:
                    module.running_mean.normal_(0, 0.3, generator=generator)
                    module.running_var.uniform_(0.5, 2, generator=generator)
                if module.affine:
                    module.weight.uniform_(0.5, 1.5, generator=generator)
                    module.bias.normal_(0, 0.3, generator=generator)


def every_second(graph: ChannelGraph) -> Tensor:
    """Want every second channel of each group that can lose some."""
    wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
    for group in graph.groups:
        if not group.pins:
            wanted[group.channels[1::2]] = True
    return wanted


def zero(graph: ChannelGraph, network: nn.Module, dead: Tensor) -> None:
    """Set the filters of dead channels to zero; biases and shifts stay."""
    with torch.no_grad():
        for axis in graph.writers:
            weight = network.get_parameter(axis.parameter).movedim(axis.dimension, 0)
            weight[dead[graph.channels_of(axis)]] = 0
