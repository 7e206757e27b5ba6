"""How stable a network's training is to the order of its data: the error half-way between two copies.

Two copies of the same weights train with different orders; the network whose weights are the means of
theirs errs no more than they do when both lie in one basin.

Source: Frankle et al. 2020, "Linear mode connectivity and the lottery ticket hypothesis", section 2;
Hubens' thesis, section 5.5.2, which calls the error of the midpoint the instability error. There the
error of the two ends is subtracted; both numbers are returned here.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from mobilekit.core.errors import ModelError


@dataclass(frozen=True)
class Instability:
    """Errors of the two copies and of their midpoint, 0–1."""

    ends: tuple[float, float]
    midpoint: float

    @property
    def rise(self) -> float:
        """By how much the midpoint is worse than the mean of the ends."""
        return self.midpoint - sum(self.ends) / 2


def instability(
    network: nn.Module,
    train: Callable[[nn.Module, int], None],
    error: Callable[[nn.Module], float],
    seeds: tuple[int, int] = (0, 1),
) -> Instability:
    """Train two copies and measure the network half-way between them.

    Args:
        network: a ticket, masks applied; it is left as found.
        train: trains a network in place, in the order of a seed; zeros must stay zero.
        error: of a network, 0–1.
        seeds: of the two orders.

    Raises:
        ModelError: the copies' tensors differ in shape.
    """
    copies = []
    for seed in seeds:
        each = copy.deepcopy(network)
        train(each, seed)
        copies.append(each)
    middle = midpoint(copies[0], copies[1])
    return Instability((error(copies[0]), error(copies[1])), error(middle))


def midpoint(one: nn.Module, other: nn.Module) -> nn.Module:
    """Return a network whose parameters and floating-point buffers are the means of two others'.

    >>> left, right = nn.Linear(1, 1), nn.Linear(1, 1)
    >>> with torch.no_grad():
    ...     _ = left.weight.fill_(1), right.weight.fill_(3)
    >>> midpoint(left, right).weight.item()
    2.0
    """
    result, theirs = copy.deepcopy(one), other.state_dict()
    with torch.no_grad():
        for name, value in result.state_dict().items():
            if name not in theirs or theirs[name].shape != value.shape:
                raise ModelError(f"instability: {name} is not of one shape in both networks")
            if value.is_floating_point():
                value.lerp_(theirs[name].to(value), 0.5)
    return result
