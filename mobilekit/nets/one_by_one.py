"""A network that takes one example at a time, for whoever has several."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree


class OneByOne(nn.Module):
    """Runs a network on each example of a batch, and puts the outputs together.

    Args:
        network: takes tensors `[1, ...]` and returns tensors `[1, ...]` in any structure; used itself.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Any:
        """Return the outputs for all examples.

        Args:
            inputs: of N examples each, `[N, ...]`.
        """
        results = [
            self.network(*(each[place : place + 1] for each in inputs))
            for place in range(len(inputs[0]))
        ]
        leaves, structure = zip(*map(pytree.tree_flatten, results), strict=True)
        return pytree.tree_unflatten(
            [torch.cat(parts) for parts in zip(*leaves, strict=True)], structure[0]
        )


def for_batches(network: nn.Module) -> nn.Module:
    """Return a network that takes batches: itself, or one by one for a program that was traced for one."""
    if not isinstance(network, fx.GraphModule):
        return network
    given = [node.meta.get("val") for node in network.graph.nodes if node.op == "placeholder"]
    fixed = [each for each in given if isinstance(each, Tensor) and each.ndim]
    single = any(isinstance(each.shape[0], int) and each.shape[0] == 1 for each in fixed)
    return OneByOne(network) if single else network
