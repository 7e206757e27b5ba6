"""Shapes of the commonest results, without asking PyTorch: a fake operator takes a millisecond there.

Only a result whose shape and type are certain is made here; everything else is PyTorch's to say.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._mode_utils import no_dispatch

_aten = torch.ops.aten
Made = Any
"""A tensor or a tuple of them; None where PyTorch must be asked."""


def made(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Made:
    """Return the fake result of a call, or None."""
    maker = _MAKERS.get(func)
    if maker is None or kwargs or not isinstance(args[0], FakeTensor):
        return None
    return maker(args)


def _fake(like: FakeTensor, shape: tuple[int, ...]) -> Tensor:
    with no_dispatch():
        element = torch.empty(shape, dtype=like.dtype, device="meta")
    return FakeTensor(like.fake_mode, element, like.fake_device)


def _alike(x: FakeTensor) -> Tensor:
    """Make a tensor of the same shape and strides: later views depend on those."""
    with no_dispatch():
        element = torch.empty_strided(tuple(x.shape), x.stride(), dtype=x.dtype, device="meta")
    return FakeTensor(x.fake_mode, element, x.fake_device)


def _same(args: tuple[Any, ...]) -> Made:
    return _alike(args[0]) if args[0].dtype.is_floating_point else None


def _itself(args: tuple[Any, ...]) -> Made:
    return args[0]


def _fits(args: tuple[Any, ...]) -> bool:
    x, y = args[:2]
    return (
        len(args) == 2
        and isinstance(y, FakeTensor)
        and x.shape == y.shape
        and x.stride() == y.stride()
        and x.dtype == y.dtype
        and x.dtype.is_floating_point
    )


def _sum(args: tuple[Any, ...]) -> Made:
    return _same(args) if _fits(args) else None


def _into(args: tuple[Any, ...]) -> Made:
    return args[0] if _fits(args) else None


def _batch_norm(args: tuple[Any, ...]) -> Made:
    x, training = args[0], args[5]
    return None if training else (_alike(x), _fake(x, (0,)), _fake(x, (0,)))


def _convolution(args: tuple[Any, ...]) -> Made:
    x, weight, bias, stride, padding, dilation, transposed, _, groups = args
    shape, kernel = tuple(x.shape), tuple(weight.shape)
    sizes = len(kernel) - 2
    fits = len(shape) == len(kernel) and weight.dtype == x.dtype and not transposed
    fits = fits and x.is_contiguous()
    fits = fits and shape[1] == kernel[1] * groups and kernel[0] % groups == 0
    fits = fits and (bias is None or tuple(bias.shape) == (kernel[0],))
    if not fits or len(stride) != sizes or len(padding) != sizes or len(dilation) != sizes:
        return None
    maps = [
        (size + 2 * pad - dil * (k - 1) - 1) // step + 1
        for size, k, step, pad, dil in zip(
            shape[2:], kernel[2:], stride, padding, dilation, strict=True
        )
    ]
    return _fake(x, (shape[0], kernel[0], *maps)) if min(maps) > 0 else None


_MAKERS: dict[Any, Callable[[tuple[Any, ...]], Made]] = {
    _aten.native_batch_norm.default: _batch_norm,
    _aten.convolution.default: _convolution,
    _aten.add.Tensor: _sum,
    _aten.mul.Tensor: _sum,
    _aten.add_.Tensor: _into,
    **{
        getattr(_aten, name).default: _same
        for name in (
            "relu",
            "hardtanh",
            "hardswish",
            "hardsigmoid",
            "silu",
            "sigmoid",
            "gelu",
            "tanh",
        )
    },
    **{
        getattr(_aten, f"{name}_").default: _itself
        for name in ("relu", "hardtanh", "hardswish", "hardsigmoid", "silu", "sigmoid", "tanh")
    },
}
