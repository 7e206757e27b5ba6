"""What a scale and a shift per channel become inside a weight and a bias: `[O, I / groups, *kernel]`.

All of it is computed in float64 and rounded once, to the weight's own type.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class Affine:
    """What a batch norm does in evaluation mode: y = scale · x + shift, `[C]` each, in float64."""

    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, norm: _BatchNorm, eps: float) -> "Affine":
        """Read a batch norm: scale = γ / √(σ² + ε), shift = β − μ · scale (Ioffe & Szegedy 2015, alg. 2)."""
        assert norm.running_mean is not None  # noqa: S101  whoever plans has seen to it
        assert norm.running_var is not None  # noqa: S101
        mean, variance = norm.running_mean.detach().double(), norm.running_var.detach().double()
        scale = torch.rsqrt(variance + eps)
        if norm.weight is not None:
            scale = scale * norm.weight.detach().double()
        shift = -mean * scale
        if norm.bias is not None:
            shift = shift + norm.bias.detach().double()
        return cls(scale, shift)

    def repeated(self, times: int) -> "Affine":
        """Repeat each channel, for a layer that takes several entries of each."""
        return Affine(self.scale.repeat_interleave(times), self.shift.repeat_interleave(times))

    def finite(self) -> bool:
        """Whether every number is one."""
        return bool(self.scale.isfinite().all() and self.shift.isfinite().all())


def after(
    weight: Tensor, bias: Tensor | None, affine: Affine, groups: int, *, transposed: bool
) -> tuple[Tensor, Tensor]:
    """Take in a norm that follows the layer.

    Args:
        weight: `[O, I / groups, *kernel]`, transposed `[I, O / groups, *kernel]`.
        bias: `[O]`.
        affine: of the layer's O outputs.
        groups: 1 for a linear layer.
        transposed: whether the weight's first dimension is the input's.

    Returns:
        The new weight and bias, in the weight's type.

    >>> layer = torch.tensor([[2.0, 4.0]])
    >>> norm = Affine(torch.tensor([0.5]), torch.tensor([1.0]))
    >>> after(layer, torch.tensor([6.0]), norm, 1, transposed=False)
    (tensor([[1., 2.]]), tensor([4.]))
    """
    parts = _parts(weight, groups)
    outputs = parts.shape[2] if transposed else parts.shape[1]
    scale = affine.scale.reshape(groups, outputs)
    spread = scale[:, None, :, None] if transposed else scale[:, :, None, None]
    start = 0.0 if bias is None else bias.detach().double()
    return _stored(parts * spread, affine.scale * start + affine.shift, weight)


def ahead_of(
    weight: Tensor, bias: Tensor | None, affine: Affine, groups: int, *, transposed: bool
) -> tuple[Tensor, Tensor]:
    """Take in a norm that comes before the layer; exact where every output sees the whole kernel.

    Args:
        weight: `[O, I / groups, *kernel]`, transposed `[I, O / groups, *kernel]`.
        bias: `[O]`.
        affine: of the layer's I inputs.
        groups: 1 for a linear layer.
        transposed: whether the weight's first dimension is the input's.

    Returns:
        The new weight and bias, in the weight's type.

    >>> layer = torch.tensor([[2.0, 4.0]])
    >>> norm = Affine(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 2.0]))
    >>> after_norm = ahead_of(layer, torch.tensor([6.0]), norm, 1, transposed=False)
    >>> after_norm
    (tensor([[1., 2.]]), tensor([16.]))
    """
    parts = _parts(weight, groups)
    inputs = parts.shape[1] if transposed else parts.shape[2]
    scale, shift = affine.scale.reshape(groups, inputs), affine.shift.reshape(groups, inputs)
    if transposed:
        scaled, added = parts * scale[:, :, None, None], parts * shift[:, :, None, None]
    else:
        scaled, added = parts * scale[:, None, :, None], parts * shift[:, None, :, None]
    constant = added.sum(dim=(1, 3) if transposed else (2, 3)).flatten()
    start = 0.0 if bias is None else bias.detach().double()
    return _stored(scaled, start + constant, weight)


def _parts(weight: Tensor, groups: int) -> Tensor:
    """Split `[A, B, *kernel]` into `[groups, A / groups, B, kernel]`."""
    rows, columns = weight.shape[:2]
    return weight.detach().double().reshape(groups, rows // groups, columns, -1)


def _stored(parts: Tensor, bias: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    weight = parts.reshape(like.shape).to(like.dtype)
    if like.dim() == 4 and like.is_contiguous(memory_format=torch.channels_last):
        weight = weight.contiguous(memory_format=torch.channels_last)
    return _flushed(weight), _flushed(bias.to(like.dtype))


def _flushed(tensor: Tensor) -> Tensor:
    """Make denormals 0, on which processors take their slow path.

    Those of float16 stay: it is computed in float32, where they are ordinary numbers, and 6e-5 is a
    weight that counts.
    """
    if tensor.dtype == torch.float16:
        return tensor
    tiny = torch.finfo(tensor.dtype).tiny
    return torch.where(tensor.abs() < tiny, torch.zeros_like(tensor), tensor)
