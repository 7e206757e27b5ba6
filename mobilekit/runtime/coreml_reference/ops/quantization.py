"""Integers in the flow of activations."""

from typing import Any

import torch
from torch import Tensor

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.context import Handler

_RANGES = {"int8": (-128, 127, torch.int8), "uint8": (0, 255, torch.uint8)}


def quantize(
    *,
    input: Tensor,
    scale: Any,
    output_dtype: str,
    zero_point: Any = None,
    axis: int | None = None,
) -> Tensor:
    """Return round(input / scale) + zero point, clamped to the type; ties go to even."""
    if output_dtype not in _RANGES:
        raise ArtifactError(f"operator quantize: output_dtype {output_dtype!r} is not supported")
    low, high, dtype = _RANGES[output_dtype]
    whole = torch.round(input / _along(scale, input, axis)) + _along(zero_point, input, axis)
    return whole.clamp(low, high).to(dtype)


def dequantize(
    *,
    input: Tensor,
    scale: Any,
    zero_point: Any = None,
    axis: int | None = None,
) -> Tensor:
    """Return (input − zero point) · scale."""
    return (input.float() - _along(zero_point, input, axis)) * _along(scale, input, axis)


def _along(value: Any, x: Tensor, axis: int | None) -> Tensor:
    found = torch.as_tensor(0.0 if value is None else value, dtype=torch.float32)
    if found.numel() == 1 or axis is None:
        return found.reshape(()) if found.numel() == 1 else found
    shape = [1] * x.dim()
    shape[axis] = -1
    return found.reshape(shape)


TABLE: dict[str, Handler] = {"quantize": quantize, "dequantize": dequantize}
