"""Networks with drawn weights, and how far the outputs of a specialized one are from the whole one's."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

TOLERANCE = 1e-6
"""Of the largest |logit|: fewer rows are multiplied in other blocks, whose sums round differently."""


def redrawn(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Make a network, leave global randomness as found, and draw its weights anew by a seed."""
    with torch.random.fork_rng():
        network = make()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(generator=generator)
                parameter.div_(math.sqrt(parameter[0].numel()))
            else:
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return network.eval()


def rounded(network: nn.Module, seed: int) -> nn.Module:
    """Give a network whole numbers from -3 to 3 in float64: sums of them have no rounding error."""
    generator = torch.Generator().manual_seed(seed)
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randint(-3, 4, parameter.shape, generator=generator))
    return network.eval()


def whole_numbers(shape: Sequence[int], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, list(shape), generator=generator).double()


def outputs(network: nn.Module, *inputs: Any) -> list[Tensor]:
    with torch.no_grad():
        return pytree.tree_leaves(network(*inputs))


def worst(whole: Sequence[Tensor], smaller: Sequence[Tensor], index: Sequence[int]) -> float:
    """Return the largest error over the largest |logit|, classes in the second dimension."""
    errors = []
    for before, after in zip(whole, smaller, strict=True):
        wanted = before[:, list(index)]
        assert wanted.shape == after.shape
        errors.append(float((wanted - after).detach().abs().max() / before.detach().abs().max()))
    return max(errors)


def rows_are_those_of(
    whole: nn.Module, smaller: nn.Module, heads: Sequence[str], index: Sequence[int]
) -> bool:
    """Whether the heads have the wanted rows to the bit, and all else has stayed."""
    before, after = whole.state_dict(), smaller.state_dict()
    return before.keys() == after.keys() and all(
        torch.equal(after[name], tensor[list(index)] if name in heads else tensor)
        for name, tensor in before.items()
    )
