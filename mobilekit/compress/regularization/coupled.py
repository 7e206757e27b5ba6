"""How large the coupled groups of a network are: channels whose weights lie in several parameters.

Both sides of a residual sum make the same channels; a channel vanishes only when the filters of all of
them do. Each parameter tells by an index map, one number per index of a dimension, which channel that
index belongs to; the norm of a channel is that of all its weights together,
‖W_c‖₂ = √(Σ over parameters, Σ over indices of c, w²). Term, gradient and proximal step are those of
`group_penalty`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.stored import stored
from mobilekit.compress.regularization.group_penalty import GroupPenalty
from mobilekit.core.errors import ModelError, RecipeError

NONE = -1
"""In an index map: belongs to no channel that is penalised."""


@dataclass(frozen=True, eq=False)
class Member:
    """One dimension of one parameter, and the channel of each of its indices."""

    name: str
    """Of the parameter, in the state dict."""
    weight: Tensor
    dimension: int
    channels: Tensor
    """Number of the channel per index, int64, shape `[size of the dimension]`; -1 for none."""

    def __post_init__(self) -> None:
        if not 0 <= self.dimension < self.weight.ndim:
            raise ModelError(f"{self.name}: there is no dimension {self.dimension}")
        size = self.weight.shape[self.dimension]
        if self.channels.shape != (size,) or self.channels.dtype != torch.int64:
            raise ModelError(
                f"{self.name}: an index map for dimension {self.dimension} is int64 of shape [{size}], "
                f"not {str(self.channels.dtype).removeprefix('torch.')} of {list(self.channels.shape)}"
            )

    def follow(self, weight: Tensor, kept: Tensor) -> "Member":
        """Return the member of a parameter from which indices of the dimension were cut.

        Args:
            weight: what is left of the parameter.
            kept: old index of each that is left, int64, shape `[kept]`.
        """
        return Member(
            self.name, weight, self.dimension, self.channels[kept.to(self.channels.device)]
        )

    @cached_property
    def count(self) -> int:
        """Channels that its map numbers, from 0 on."""
        return int(self.channels.max()) + 1

    def spread(self, per_channel: Tensor, otherwise: float = 0.0) -> Tensor:
        """Shape a number per channel, `[channels]`, and one for none, to broadcast over the weight."""
        padded = torch.cat([per_channel, per_channel.new_full((1,), otherwise)])
        shape = [1] * self.weight.ndim
        shape[self.dimension] = -1
        return padded[self.channels].view(shape)


def members_of(graph: ChannelGraph, network: nn.Module) -> list[Member]:
    """Return the weights that make channels, with their index maps; pinned channels count for none.

    Args:
        graph: of the network.
        network: whose parameters are meant.
    """
    found = []
    pinned = graph.channels.pinned
    for axis in graph.writers:
        channels = graph.channels_of(axis).clone()
        channels[pinned[channels]] = NONE
        weight = stored(network, axis.parameter)
        if bool((channels != NONE).any()) and weight.requires_grad:
            found.append(Member(axis.parameter, weight, axis.dimension, channels.to(weight.device)))
    return _renumbered(found)


def coupled_norms(members: Sequence[Member]) -> Tensor:
    """Return the l2 norm of each channel over all its weights, at least float32, shape `[channels]`.

    >>> both = torch.tensor([[3.0], [0.0]]), torch.tensor([[4.0, 0.0]])
    >>> maps = torch.tensor([0, 1])
    >>> coupled_norms([Member("a", both[0], 0, maps), Member("b", both[1], 1, maps)])
    tensor([5., 0.])
    """
    _check(members)
    first = members[0].weight
    energy = first.new_zeros(_count(members) + 1, dtype=_wide(first))
    for member in members:
        others = [dim for dim in range(member.weight.ndim) if dim != member.dimension]
        rows = member.weight.to(energy.dtype).square()
        rows = rows.sum(others) if others else rows
        # Accumulating index_put gives the same bits each time, on a GPU too.
        energy = energy.index_put((member.channels,), rows, accumulate=True)
    return _root(energy[:-1])


def penalty(members: Sequence[Member], config: GroupPenalty) -> Tensor:
    """Return the term with its graph, shape `[]`, for a loss that autograd goes through."""
    return (_factors(members, config) * coupled_norms(members)).sum()


@torch.no_grad()
def add_gradient(members: Sequence[Member], config: GroupPenalty, scale: float = 1.0) -> Tensor:
    """Add the term's gradient to the weights' `.grad`: once per optimizer step, after backward.

    Args:
        members: of coupled groups; a weight may be in several, such as one that reads and makes channels.
        config: `norm` or `weighted`.
        scale: that of the loss, where gradients have not been unscaled yet (mixed precision).

    Returns:
        The term's value, λ included and unscaled, shape `[]`.
    """
    norms, factors = coupled_norms(members), _factors(members, config)
    inverse = torch.where(norms > 0, factors * scale / norms, 0)
    for member in members:
        weight = member.weight
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.add_((weight * member.spread(inverse)).to(weight.dtype))
    return (factors * norms).sum()


@torch.no_grad()
def shrink(members: Sequence[Member], config: GroupPenalty, step: float) -> None:
    """Shrink every channel towards zero, in place, to exactly zero where it is smaller than the step.

    Args:
        members: of coupled groups, each parameter in one only.
        config: `norm` or `weighted`.
        step: the learning rate of the optimizer's step before this one, at least 0.

    Raises:
        RecipeError: a step below 0.
        ModelError: a parameter in two members, for which there is no closed form.
    """
    if not step >= 0:
        raise RecipeError(f"group penalty: a step must be at least 0, not {step}")
    if len({id(member.weight) for member in members}) < len(members):
        raise ModelError(
            "group penalty: a weight is in two coupled groups; shrink has no closed form"
        )
    norms = coupled_norms(members)
    bound = step * _factors(members, config)
    kept = (norms - bound).clamp_min_(0) / norms.clamp_min(torch.finfo(norms.dtype).tiny)
    for member in members:
        member.weight.copy_(member.weight * member.spread(kept, otherwise=1.0))


def _check(members: Sequence[Member]) -> None:
    if not members:
        raise ModelError("group penalty: no coupled groups were given")


def _count(members: Sequence[Member]) -> int:
    return max(member.count for member in members)


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _root(energy: Tensor) -> Tensor:
    """Return the square root, with the derivative 0 at 0."""
    positive = energy > 0
    return torch.where(positive, torch.where(positive, energy, 1).sqrt(), 0)


def _factors(members: Sequence[Member], config: GroupPenalty) -> Tensor:
    """Return what multiplies the norm of each channel, shape `[channels]`."""
    if config.form == "mean":
        raise RecipeError(
            "group penalty: form 'mean' is plain l1 and has no coupled groups; use 'norm'"
        )
    first = members[0].weight
    if config.form == "norm":
        return torch.full(
            (_count(members),), config.strength, dtype=_wide(first), device=first.device
        )
    sizes = torch.zeros(_count(members) + 1, dtype=_wide(first), device=first.device)
    for member in members:
        each = math.prod(member.weight.shape) // member.weight.shape[member.dimension]
        ones = torch.full_like(member.channels, each, dtype=sizes.dtype)
        sizes.index_put_((member.channels,), ones, accumulate=True)
    return config.strength * sizes[:-1].sqrt()


def _renumbered(members: list[Member]) -> list[Member]:
    """Number the channels that occur from 0 on, without gaps."""
    if not members:
        return members
    every = torch.cat([member.channels.cpu() for member in members])
    known = torch.unique(every[every != NONE])
    return [
        Member(
            member.name,
            member.weight,
            member.dimension,
            torch.where(
                member.channels == NONE,
                NONE,
                torch.searchsorted(known.to(member.channels.device), member.channels),
            ),
        )
        for member in members
    ]
