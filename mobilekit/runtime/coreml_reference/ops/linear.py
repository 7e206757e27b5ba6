"""Matrix products: linear, matmul, einsum, attention."""

import torch
from torch import Tensor
from torch.nn import functional

from mobilekit.runtime.coreml_reference.context import Handler


def linear(*, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x weightᵀ + bias for x [*, D] and weight [filters, D]."""
    x, weight = _alike(x, weight)
    return functional.linear(x, weight, None if bias is None else bias.to(x.dtype))


def matmul(*, x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """Return the matrix product over the last two axes, batches broadcast."""
    if transpose_x and x.dim() > 1:
        x = x.transpose(-1, -2)
    if transpose_y and y.dim() > 1:
        y = y.transpose(-1, -2)
    return torch.matmul(*_alike(x, y))


def einsum(*, values: tuple[Tensor, ...], equation: str) -> Tensor:
    """Return the Einstein sum of two tensors."""
    result: Tensor = torch.einsum(equation, *values)
    return result


def scaled_dot_product_attention(
    *, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
) -> Tensor:
    """Return softmax(query keyᵀ / √E + mask) value; a boolean mask keeps where it is true."""
    return functional.scaled_dot_product_attention(query, key, value, attn_mask)


def _alike(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Bring two factors to one type: from iOS 17 on one may be of integers."""
    if x.dtype == y.dtype:
        return x, y
    kind = torch.promote_types(x.dtype, y.dtype)
    return x.to(kind), y.to(kind)


TABLE: dict[str, Handler] = {
    "linear": linear,
    "matmul": matmul,
    "einsum": einsum,
    "scaled_dot_product_attention": scaled_dot_product_attention,
}
