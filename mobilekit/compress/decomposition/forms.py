"""What a layer looks like to each method: its full ranks, its energies, its parameters, its parts."""

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

    full: Ranks
    """The ranks that lose nothing."""
    spectra: Callable[[], list[Tensor]]
    """Computes the energies for each rank, largest first."""
    parameters: Callable[[Ranks], int]
    """Counts the weights and biases of the parts."""
    parts: Callable[[Ranks], nn.Sequential]
    """Makes them."""
    useful: Callable[[Ranks], Ranks] = lambda ranks: ranks
    """Cuts ranks to those that the parts can have."""


def form(layer: nn.Module, method: Method) -> Form:
    """Return how a layer that fits a method looks to it.

    A kernel of a single point is a matrix, whose Tucker decomposition is `channel_svd`.

    Raises:
        ModelError: weights that are not finite.
    """
    if method == "truncated_svd":
        return _single(layer, unfolding, truncated_svd)
    if method == "spatial_svd":
        return _single(layer, spatial_unfolding, spatial_svd)
    if method == "channel_svd" or _points(layer) == 1:
        return _single(layer, channel_unfolding, channel_svd)
    return _double(layer)


def _single(
    layer: Any,
    matrices: Callable[[Any], Tensor],
    parts: Callable[[Any, int], nn.Sequential],
) -> Form:
    groups, rows, columns = matrices(layer).shape
    biases = 0 if layer.bias is None else layer.bias.numel()
    return Form(
        (min(rows, columns),),
        lambda: [energies(matrices(layer))],
        lambda ranks: groups * ranks[0] * (rows + columns) + biases,
        lambda ranks: parts(layer, ranks[0]),
    )


def _double(layer: Any) -> Form:
    def useful(ranks: Ranks) -> Ranks:
        return useful_ranks((ranks[0], ranks[1]), _points(layer))

    outputs, inputs = layer.weight.shape[:2]
    return Form(
        useful((inputs, outputs)),
        lambda: [energies(stack) for stack in tucker_unfoldings(layer)],
        lambda ranks: tucker_parameters(layer, (ranks[0], ranks[1])),
        lambda ranks: tucker2(layer, (ranks[0], ranks[1])),
        useful,
    )


def _points(layer: Any) -> int:
    """Return how many points the kernel of a convolution has."""
    outputs, inputs = layer.weight.shape[:2]
    return int(layer.weight.numel() // (outputs * inputs))
