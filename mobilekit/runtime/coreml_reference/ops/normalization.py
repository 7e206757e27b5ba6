"""Normalizations with stored or computed statistics."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.windows import integers


def batch_norm(
    *,
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Normalize each channel of x [N, C, …] with stored statistics."""
    return functional.batch_norm(x, mean, variance, gamma, beta, False, 0.0, epsilon)


def instance_norm(
    *,
    x: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Normalize each channel of each sample of x [N, C, …] over its positions."""
    axes = tuple(range(2, x.dim()))
    shape = (1, -1, *([1] * len(axes)))
    return _scaled(_normalized(x, axes, epsilon), _as(gamma, shape), _as(beta, shape))


def layer_norm(
    *,
    x: Tensor,
    axes: Any = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Normalize over `axes` (all by default); gamma and beta have the shape of those axes."""
    chosen = sorted(axis % x.dim() for axis in integers(axes, 1, 0)) if axes is not None else None
    used = tuple(range(x.dim())) if chosen is None else tuple(chosen)
    shape = tuple(x.shape[axis] if axis in used else 1 for axis in range(x.dim()))
    return _scaled(_normalized(x, used, epsilon), _as(gamma, shape), _as(beta, shape))


def l2_norm(*, x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Divide by the root of the sum of squares over the last three axes, plus epsilon."""
    axes = tuple(range(-min(3, x.dim()), 0))
    return x / torch.sqrt((x * x).sum(axes, keepdim=True) + epsilon)


def local_response_norm(
    *, x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by (k + alpha / size · Σ x²)^beta over the ⌊(size − 1) / 2⌋ channels on each side.

    With an even size that is one channel less than `size`, as in coremltools' own test of it.
    """
    reach = (size - 1) // 2
    channels = x.shape[1]
    squares = functional.pad((x * x).transpose(1, -1), (reach, reach)).transpose(1, -1)
    total = torch.zeros_like(x)
    for offset in range(2 * reach + 1):
        total = total + squares.narrow(1, offset, channels)
    return x / torch.pow(k + alpha / size * total, beta)


def _normalized(x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    mean = x.mean(axes, keepdim=True)
    centred = x - mean
    variance = (centred * centred).mean(axes, keepdim=True)
    return centred / torch.sqrt(variance + epsilon)


def _as(value: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
    return None if value is None else torch.as_tensor(value).reshape(shape)


def _scaled(x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    if gamma is not None:
        x = x * gamma
    return x if beta is None else x + beta


TABLE: dict[str, Handler] = {
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "l2_norm": l2_norm,
    "local_response_norm": local_response_norm,
}
