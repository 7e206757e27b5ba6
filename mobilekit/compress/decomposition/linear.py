"""How a linear layer becomes two: truncated singular value decomposition."""

from torch import Tensor, nn

from mobilekit.compress.decomposition.factors import (
    check_rank,
    exact_weight,
    halves,
    linear,
    sequence,
)


def truncated_svd(layer: nn.Linear, rank: int) -> nn.Sequential:
    """Replace a linear layer by two, with `rank` numbers between them.

    `W ≈ (U √S)(√S Vᵀ)` with the `rank` largest singular values (thesis, equation 2.16). The squared
    error of the weight is the sum of the squares of the others; the full rank, min(M, N), is exact.

    Args:
        layer: weight `[M, N]`; left as found.
        rank: 1 to min(M, N).

    Returns:
        Linear layers of weights `[rank, N]` and `[M, rank]`; the second has the bias.

    Raises:
        RecipeError: a rank out of range.
        ModelError: weights that are not finite.

    >>> parts = truncated_svd(nn.Linear(512, 102), 51)
    >>> sum(parameter.numel() for parameter in parts.parameters())
    31416
    """
    matrix = unfolding(layer)
    check_rank(rank, min(matrix.shape[1:]))
    left, right = halves(matrix, rank)
    return sequence(layer, linear(layer, right[0]), linear(layer, left[0], layer.bias))


def unfolding(layer: nn.Linear) -> Tensor:
    """Return the weight as matrices `[1, M, N]`, float64."""
    return exact_weight(layer)[None]
