"""Operators that act on each element by itself, one or two tensors at a time.

Source: the operator definitions of coremltools (`iOS15` to `iOS18`, elementwise_unary,
elementwise_binary and control_flow). Two tensors broadcast as in NumPy.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.values import Number, real, refused, tensor

_INTEGER_BITS = {"int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32}


def cast(*, x: Number, dtype: str) -> Tensor:
    """Change the type: to int toward zero and wrapping, to bool by "is not zero".

    A float16 result is rounded by the caller, as every result is.

    Raises:
        ArtifactError: an unknown type.
    """
    value = tensor(x)
    if dtype in {"fp16", "fp32"}:
        return value.to(torch.float32)
    if dtype == "bool":
        return value != 0
    if dtype not in _INTEGER_BITS:
        known = ", ".join(("bool", "fp16", "fp32", *_INTEGER_BITS))
        raise refused("cast", "dtype", dtype, f"is none of {known}")
    size = 1 << _INTEGER_BITS[dtype]
    lowest = 0 if dtype.startswith("u") else -(size >> 1)
    return torch.remainder(value.to(torch.int64) - lowest, size) + lowest


def clip(*, x: Number, alpha: Number, beta: Number) -> Tensor:
    """Return `min(max(x, alpha), beta)`; x of any shape, alpha and beta single numbers."""
    return torch.clamp(tensor(x), real(alpha), real(beta))


def inverse(*, x: Number, epsilon: Number = 1e-4) -> Tensor:
    """Return `1 / (x + epsilon)`."""
    return torch.reciprocal(tensor(x) + epsilon)


def log(*, x: Number, epsilon: Number = 1e-45) -> Tensor:
    """Return the natural logarithm of `x + epsilon`."""
    return torch.log(tensor(x) + epsilon)


def rsqrt(*, x: Number, epsilon: Number = 1e-12) -> Tensor:
    """Return `1 / sqrt(x + epsilon)`."""
    return torch.reciprocal(torch.sqrt(tensor(x) + epsilon))


def threshold(*, x: Number, alpha: Number) -> Tensor:
    """Return `max(x, alpha)`."""
    value = tensor(x)
    return torch.maximum(value, tensor(alpha).to(value.dtype))


def select(*, cond: Number, a: Number, b: Number) -> Tensor:
    """Return a where cond is true, else b; the three shapes broadcast."""
    return torch.where(tensor(cond), tensor(a), tensor(b))


def _exp2(x: Tensor) -> Tensor:
    if x.is_floating_point():
        return torch.exp2(x)
    return torch.exp2(x.to(torch.float64)).to(torch.int64)


def _sign(x: Tensor) -> Tensor:
    return torch.where(torch.isnan(x), x, torch.sign(x))


def _real_div(x: Tensor, y: Tensor) -> Tensor:
    """Divide; integers toward zero, because the result's declared type is an integer too."""
    if x.is_floating_point() or y.is_floating_point():
        return torch.div(x, y)
    return torch.div(x, _nonzero("real_div", y), rounding_mode="trunc")


def _floor_div(x: Tensor, y: Tensor) -> Tensor:
    if not (x.is_floating_point() or y.is_floating_point()):
        _nonzero("floor_div", y)
    return torch.div(x, y, rounding_mode="floor")


def _mod(x: Tensor, y: Tensor) -> Tensor:
    """Return the remainder with the sign of the divisor, as Python's `%`."""
    if not (x.is_floating_point() or y.is_floating_point()):
        _nonzero("mod", y)
    return torch.remainder(x, y)


def _nonzero(operator: str, y: Tensor) -> Tensor:
    if bool((y == 0).any()):
        raise refused(operator, "y", 0, "divides an integer")
    return y


def _unary(function: Callable[[Tensor], Tensor]) -> Handler:
    def handler(*, x: Number) -> Tensor:
        return function(tensor(x))

    return handler


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Handler:
    def handler(*, x: Number, y: Number) -> Tensor:
        return function(tensor(x), tensor(y))

    return handler


_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": _exp2,
    "floor": torch.floor,
    "logical_not": torch.logical_not,
    "round": torch.round,  # halves to even, as NumPy
    "sign": _sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
}

_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "equal": torch.eq,
    "floor_div": _floor_div,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mod": _mod,
    "mul": torch.mul,
    "not_equal": torch.ne,
    "pow": torch.pow,
    "real_div": _real_div,
    "sub": torch.sub,
}

TABLE: dict[str, Handler] = {
    "cast": cast,
    "clip": clip,
    "inverse": inverse,
    "log": log,
    "rsqrt": rsqrt,
    "select": select,
    "threshold": threshold,
    **{name: _unary(function) for name, function in _UNARY.items()},
    **{name: _binary(function) for name, function in _BINARY.items()},
}
