"""What every decomposition is made of: a matrix in float64, its leading singular vectors, plain layers."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from mobilekit.core.errors import ModelError, RecipeError

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
_KINDS: dict[int, Any] = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}


def exact_weight(layer: nn.Linear | Convolution) -> Tensor:
    """Return a layer's weight in float64 on the CPU, in its own shape.

    Raises:
        ModelError: it has no values, or some that are not finite.
    """
    if layer.weight.is_meta:
        raise ModelError(f"{layer}: its weight has no values (device meta); load it first")
    weight = layer.weight.detach().to("cpu", torch.float64)
    if not bool(weight.isfinite().all()):
        raise ModelError(f"{layer}: its weight has values that are not finite")
    return weight


def check_rank(rank: int, full: int) -> None:
    """Refuse a rank outside 1 … full.

    Raises:
        RecipeError: it is.
    """
    if not 1 <= rank <= full:
        raise RecipeError(f"decompose: rank {rank} is out of range; expected 1 to {full}")


def halves(matrices: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Split matrices `[G, M, N]` into `[G, M, rank]` and `[G, rank, N]`, the nearest of that rank.

    Each half takes the root of the singular values, so that both are of the same size. The singular
    vectors of the shorter side, U, are orthonormal eigenvectors of A Aᵀ (ten times as fast as LAPACK's
    singular value decomposition), the other half is Uᵀ A: the full rank is exact, and the squared error
    exceeds the least possible by rounding, 2.2e-16 × M × ‖A‖², at most.

    >>> left, right = halves(torch.tensor([[[3.0, 0.0], [0.0, 1.0]]]), 1)
    >>> (left @ right).round().abs().tolist()
    [[[3.0, 0.0], [0.0, 0.0]]]
    """
    if matrices.shape[1] > matrices.shape[2]:
        right, left = halves(matrices.mT, rank)
        return left.mT, right.mT
    left = leading(matrices, rank)
    right = left.mT @ matrices
    sizes = torch.linalg.vector_norm(right, dim=2)
    roots = torch.where(sizes > 0, sizes, 1.0).sqrt()
    return left * roots[:, None, :], right / roots[:, :, None]


def leading(matrices: Tensor, rank: int) -> Tensor:
    """Return the first left singular vectors of `[…, M, N]`: `[…, M, min(rank, M, N)]`, orthonormal."""
    vectors: Tensor = torch.linalg.eigh(matrices @ matrices.mT)[1]
    return vectors.flip(-1)[..., : min(rank, *matrices.shape[-2:])]


def energies(matrices: Tensor) -> Tensor:
    """Return the squared singular values of `[G, M, N]`, summed over G: `[min(M, N)]`, largest first.

    >>> energies(torch.tensor([[[3.0, 0.0], [0.0, 2.0]]])).round().tolist()
    [9.0, 4.0]
    """
    tall = matrices if matrices.shape[1] >= matrices.shape[2] else matrices.mT
    values: Tensor = torch.linalg.svdvals(tall)  # of wide ones it takes nine times as long
    return values.square().sum(0)


def linear(like: nn.Linear, weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """Make a linear layer with a weight `[M, N]`, in the type, device and mode of another."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    _fill(made, like, weight, bias)
    return made


def convolution(
    like: Convolution,
    weight: Tensor,
    bias: Tensor | None = None,
    **window: Any,
) -> Convolution:
    """Make a convolution with a weight `[M, N, K…]`, in the groups, type, device and mode of another.

    Args:
        like: of which it is a part.
        weight: N is the number of inputs per group.
        bias: of shape `[M]`.
        window: stride, padding, dilation and padding_mode.
    """
    made: Convolution = _KINDS[weight.ndim](
        weight.shape[1] * like.groups,
        weight.shape[0],
        tuple(weight.shape[2:]),
        bias=bias is not None,
        groups=like.groups,
        device="meta",
        **window,
    )
    _fill(made, like, weight, bias)
    return made


def sequence(like: nn.Module, *parts: nn.Module) -> nn.Sequential:
    """Chain layers, in the mode of the one that they replace."""
    made = nn.Sequential(*parts)
    made.training = like.training
    return made


def composed(parts: nn.Sequential) -> Tensor:
    """Multiply the weights of a chain: that of the one layer it stands for, float64 `[M, N, K…]`.

    Along each dimension of the kernel at most one part may be longer than 1, and none strided before
    a longer one.
    """
    product: Tensor | None = None
    for part in parts:
        weight = exact_weight(part)  # type: ignore[arg-type]
        groups = getattr(part, "groups", 1)
        own = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
        product = own if product is None else torch.einsum("gmr...,grn...->gmn...", own, product)
    if product is None:
        raise ValueError("a chain of no layers has no weight")
    return product.flatten(0, 1)


def relative_error(layer: nn.Linear | Convolution, parts: nn.Sequential) -> float:
    """Return ‖product of the parts − weight‖ / ‖weight‖ (Frobenius), as stored; 0 for 0 by 0."""
    weight = exact_weight(layer)
    error = float(torch.linalg.vector_norm(composed(parts) - weight))
    size = float(torch.linalg.vector_norm(weight))
    if size == 0.0:
        return 0.0 if error == 0.0 else math.inf
    return error / size


def _fill(
    made: nn.Linear | Convolution,
    like: nn.Linear | Convolution,
    weight: Tensor,
    bias: Tensor | None,
) -> None:
    values = weight.to(like.weight).contiguous().clone()
    made.weight = nn.Parameter(values, requires_grad=like.weight.requires_grad)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone(), requires_grad=bias.requires_grad)
    made.training = like.training
