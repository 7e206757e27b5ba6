"""The forms that a layer can take, in one shape: its matrices, its parameters, its parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from mobilekit.compress.decomposition.convolution import (
    channel_svd,
    channel_unfolding,
    spatial_svd,
    spatial_unfolding,
)
from mobilekit.compress.decomposition.factors import energies
from mobilekit.compress.decomposition.linear import truncated_svd, unfolding
from mobilekit.compress.decomposition.rank import Ranks
from mobilekit.compress.decomposition.tucker import (
    tucker2,
    tucker_parameters,
    tucker_unfoldings,
    useful_ranks,
)

Method = Literal["truncated_svd", "channel_svd", "spatial_svd", "tucker2"]


@dataclass(frozen=True)
class Form:
    """One layer, seen through one method."""

    layer: Any
    unfoldings: Callable[[Any], tuple[Tensor, ...]]
    """One stack of matrices per rank."""
    parts: Callable[[Any, Ranks], nn.Sequential]
    count: Callable[[Any, Ranks], int]
    useful: Callable[[Any, Ranks], Ranks] = lambda _layer, ranks: ranks

    def full(self) -> Ranks:
        """Return the ranks that lose nothing."""
        found = tuple(min(stack.shape[1:]) for stack in self.unfoldings(self.layer))
        return self.useful(self.layer, found)

    def spectra(self) -> list[Tensor]:
        """Return the energies per rank, largest first."""
        return [energies(stack) for stack in self.unfoldings(self.layer)]

    def parameters(self, ranks: Ranks) -> int:
        """Count the weights and biases of the parts."""
        return self.count(self.layer, ranks)

    def decomposed(self, ranks: Ranks) -> tuple[nn.Sequential, Ranks]:
        """Return the parts, and their ranks where they come out smaller than asked."""
        ranks = self.useful(self.layer, ranks)
        return self.parts(self.layer, ranks), ranks


def form(layer: nn.Module, method: Method) -> Form:
    """Return how a layer looks to a method.

    A kernel of a single point is a matrix, whose Tucker decomposition is `channel_svd`.
    """
    if method == "truncated_svd":
        return _single(layer, unfolding, truncated_svd)
    if method == "spatial_svd":
        return _single(layer, spatial_unfolding, spatial_svd)
    if method == "channel_svd" or _points(layer) == 1:
        return _single(layer, channel_unfolding, channel_svd)
    return Form(
        layer,
        tucker_unfoldings,
        lambda layer, ranks: tucker2(layer, (ranks[0], ranks[1])),
        lambda layer, ranks: tucker_parameters(layer, (ranks[0], ranks[1])),
        lambda layer, ranks: useful_ranks((ranks[0], ranks[1]), _points(layer)),
    )


def _single(
    layer: nn.Module,
    matrices: Callable[[Any], Tensor],
    parts: Callable[[Any, int], nn.Sequential],
) -> Form:
    return Form(
        layer,
        lambda layer: (matrices(layer),),
        lambda layer, ranks: parts(layer, ranks[0]),
        lambda layer, ranks: _two_parts(layer, matrices(layer).shape, ranks[0]),
    )


def _two_parts(layer: Any, shape: tuple[int, ...], rank: int) -> int:
    groups, rows, columns = shape
    return groups * rank * (rows + columns) + (0 if layer.bias is None else layer.bias.numel())


def _points(layer: Any) -> int:
    """Return how many points the kernel of a convolution has."""
    outputs, inputs = layer.weight.shape[:2]
    return int(layer.weight.numel() // (outputs * inputs))
