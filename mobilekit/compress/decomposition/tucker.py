"""How a convolution becomes three: 1×1, a small core, 1×1 (Tucker-2)."""

import math

import torch
from torch import Tensor, nn

from mobilekit.compress.decomposition.factors import (
    Convolution,
    check_rank,
    convolution,
    exact_weight,
    leading,
    sequence,
)
from mobilekit.core.errors import RecipeError

_SWEEPS = 20
_ENOUGH = 1e-4
"""Sweeps end when the energy kept grows by less than this share of the whole."""


def tucker2(layer: Convolution, ranks: tuple[int, int]) -> nn.Sequential:
    """Replace a convolution by a 1×1, one between fewer channels, and a 1×1.

    `W[m, n, k] ≈ Σ_ba O[m, b] C[b, a, k] I[n, a]` (Kim et al. 2016, ranks R4 and R3),
    begun with the leading singular vectors of the two unfoldings (HOSVD) and refined by turns
    (HOOI, De Lathauwer et al. 2000). The squared error of the weight is at most the sum of the
    squared singular values that both unfoldings drop; ranks (N, M) are exact. Stride, dilation and
    padding of any kind stay with the core.

    Args:
        layer: weight `[M, N, K…]` without groups; left as found.
        ranks: of the inputs, 1 to N, and of the outputs, 1 to M; what the other rank leaves no use
            for is cut (`useful_ranks`).

    Returns:
        Convolutions of weights `[a, N, 1…]`, `[b, a, K…]` and `[M, b, 1…]`; the last has the bias.

    Raises:
        RecipeError: a rank out of range, or a layer with groups.
        ModelError: weights that are not finite.
    """
    if layer.groups != 1:
        raise RecipeError(f"decompose: tucker2 takes no groups; expected 1, found {layer.groups}")
    weight = exact_weight(layer)
    for rank, full in zip(ranks, (weight.shape[1], weight.shape[0]), strict=True):
        check_rank(rank, full)
    flat = weight.flatten(2)
    inner, outer = _factors(flat, ranks)
    core = torch.einsum("mnk,na,mb->bak", flat, inner, outer)
    ones = [1] * (weight.ndim - 2)
    return sequence(
        layer,
        convolution(layer, inner.T.reshape(*inner.T.shape, *ones)),
        convolution(
            layer,
            core.reshape(*core.shape[:2], *weight.shape[2:]),
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            padding_mode=layer.padding_mode,
        ),
        convolution(layer, outer.reshape(*outer.shape, *ones), layer.bias),
    )


def useful_ranks(ranks: tuple[int, int], kernel: int) -> tuple[int, int]:
    """Cut Tucker ranks to those that a core with a kernel of so many points can have.

    >>> useful_ranks((1, 20), 9)
    (1, 9)
    >>> useful_ranks((16, 20), 9)
    (16, 20)
    """
    inner, outer = ranks
    outer = min(outer, inner * kernel)
    return min(inner, outer * kernel), outer


def tucker_unfoldings(layer: Convolution) -> tuple[Tensor, Tensor]:
    """Return the weight as matrices `[1, N, M·K]` and `[1, M, N·K]`, float64."""
    weight = exact_weight(layer)
    return weight.transpose(0, 1).flatten(1)[None], weight.flatten(1)[None]


def tucker_parameters(layer: Convolution, ranks: tuple[int, int]) -> int:
    """Count the weights and biases of a Tucker-2 decomposition."""
    outputs, inputs, *window = layer.weight.shape
    kernel = math.prod(window)
    inner, outer = useful_ranks(ranks, kernel)
    biases = 0 if layer.bias is None else outputs
    return inputs * inner + inner * outer * kernel + outer * outputs + biases


def _factors(weight: Tensor, ranks: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return orthonormal factors `[N, a]` and `[M, b]` of a weight `[M, N, K]`.

    Each turn is the best for the other factor as it is, so the energy kept never falls.
    """
    inner = leading(weight.transpose(0, 1).flatten(1), ranks[0])
    total, kept = weight.square().sum().item(), -math.inf
    for _ in range(_SWEEPS):
        outer = leading(torch.einsum("mnk,na->mak", weight, inner).flatten(1), ranks[1])
        part = torch.einsum("mnk,mb->nbk", weight, outer)
        inner = leading(part.flatten(1), ranks[0])
        now = torch.einsum("nbk,na->abk", part, inner).square().sum().item()
        if now - kept <= _ENOUGH * total:
            break
        kept = now
    return inner, outer
