"""Weights as integers and a scale per output channel, tensor or block of inputs: w ≈ s · q.

The integers lie in ±127 (±7 for 4 bits), zero stays zero, and the scale is rounded up to the file's
floating-point type, so no weight errs by more than half a step.
"""

from typing import Any

import numpy as np

from mobilekit.core.quantization import Weights
from mobilekit.export.quantization.coreml_encoding import (
    Constant,
    Encoded,
    Input,
    Link,
    Numbers,
    Stored,
)


def integers(constant: Constant, form: Weights) -> Encoded:
    """Store weights as integers of 4 or 8 bits."""
    scales = scales_of(constant, form)
    whole = rounded(constant.values, scales, form.bits)
    kind = f"INT{form.bits}"
    inputs: dict[str, Input]
    if constant.modern:
        inputs = {"data": Stored(kind, whole), "scale": Stored(constant.kind, scales)}
        link = Link("constexpr_blockwise_shift_scale", inputs)
    else:
        per_channel = scales.size > 1
        inputs = {
            "quantized_data": Stored(kind, whole),
            "scale": Stored(constant.kind, scales.reshape(-1 if per_channel else ())),
            "zero_point": Stored(kind, np.zeros((), np.int8)),
            "axis": constant.output,
        }
        link = Link("constexpr_affine_dequantize", inputs)
    return Encoded((link,), decoded(whole, scales))


def scales_of(constant: Constant, form: Weights) -> Numbers:
    """Return the scales, of the rank of the weights: their sizes divide those of the weights."""
    values = np.abs(constant.values.astype(np.float32))
    top = 2 ** (form.bits - 1) - 1
    if form.granularity == "block":
        axis, count = constant.input, values.shape[constant.input] // form.block
        shape = (*values.shape[:axis], count, form.block, *values.shape[axis + 1 :])
        others = tuple(i for i in range(len(shape)) if i not in _kept(constant, axis))
        largest = values.reshape(shape).max(axis=others).reshape(_blocks(constant, count))
    elif form.granularity == "tensor":
        largest = values.max(keepdims=True)
    else:
        others = tuple(i for i in range(values.ndim) if i != constant.output)
        largest = values.max(axis=others, keepdims=True)
    scales = rounded_up(largest / top, constant.values.dtype)
    return np.where(scales > 0, scales, np.ones_like(scales))


def rounded_up(values: Numbers, kind: np.dtype[Any]) -> Numbers:
    """Return the least numbers of a floating-point type that are not below the values."""
    near = values.astype(kind)
    return np.where(near.astype(values.dtype) < values, np.nextafter(near, kind.type(np.inf)), near)


def rounded(values: Numbers, scales: Numbers, bits: int) -> Numbers:
    """Return the integers nearest to values / scales, between the ends of `bits` bits without the lowest."""
    top = 2 ** (bits - 1) - 1
    whole = np.rint(values.astype(np.float32) / repeated(scales, values.shape).astype(np.float32))
    return np.clip(whole, -top, top).astype(np.int8)


def decoded(whole: Numbers, scales: Numbers) -> Numbers:
    """Return scales · integers in the type of the scales."""
    product = whole.astype(np.float32) * repeated(scales, whole.shape).astype(np.float32)
    return product.astype(scales.dtype)


def repeated(scales: Numbers, shape: tuple[int, ...]) -> Numbers:
    """Repeat each scale along each axis until the tensor has `shape`."""
    for axis, (have, want) in enumerate(zip(scales.shape, shape, strict=True)):
        if 1 < have < want:
            scales = np.repeat(scales, want // have, axis)
    return scales


def _kept(constant: Constant, axis: int) -> set[int]:
    """Return the axes of outputs and of blocks, once the axis of inputs is two."""
    return {axis, constant.output + (constant.output > axis)}


def _blocks(constant: Constant, count: int) -> tuple[int, ...]:
    return constant.shape(constant.values.shape[constant.output], count)
