"""Weights in their compressed forms: affine, look-up table, sparse, blockwise, and joint ones.

The handlers compute in float32; the engine rounds to the declared type. That is bit-equal to
coremltools' own decoding: a float16 scale times a difference of 8-bit integers is exact in float32.
"""

from typing import Any

import torch
from torch import Tensor

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.windows import integers


def constexpr_affine_dequantize(
    *, quantized_data: Tensor, zero_point: Any, scale: Any, axis: int
) -> Tensor:
    """Return scale · (data − zero point), per tensor or along `axis`."""
    shape = [1] * quantized_data.dim()
    shape[axis] = -1
    scales, zeros = (
        torch.as_tensor(value, dtype=torch.float32).reshape(-1) for value in (scale, zero_point)
    )
    scales = scales.reshape(shape) if scales.numel() > 1 else scales
    zeros = zeros.reshape(shape) if zeros.numel() > 1 else zeros
    return (quantized_data.float() - zeros) * scales


def constexpr_lut_to_dense(
    *, indices: Tensor, lut: Tensor, shape: Any = None, vector_axis: int | None = None
) -> Tensor:
    """Look indices up.

    With `shape` (iOS 16) the indices are packed bits and the table is flat; without it (iOS 18)
    the table is [groups per axis …, palette, vector].
    """
    if shape is None:
        return looked_up(indices, lut, vector_axis)
    size = integers(shape, 1, 0)
    bits = max(int(lut.numel()).bit_length() - 1, 1)
    count = int(torch.tensor(size).prod())
    return lut.reshape(-1)[unpacked(indices, bits, count)].reshape(size)


def constexpr_sparse_to_dense(*, nonzero_data: Tensor, mask: Tensor, shape: Any = None) -> Tensor:
    """Put values where the mask is set; with `shape` (iOS 16) the mask is packed bits."""
    if shape is not None:
        size = integers(shape, 1, 0)
        mask = unpacked(mask, 1, int(torch.tensor(size).prod())).reshape(size)
    return scattered(nonzero_data, mask)


def constexpr_cast(*, source_val: Any, output_dtype: str) -> Tensor:
    """Return the values in another floating-point type."""
    kinds = {"fp32": torch.float32, "fp16": torch.float32}
    if output_dtype not in kinds:
        raise ArtifactError(
            f"operator constexpr_cast: output_dtype {output_dtype!r} is not supported"
        )
    return torch.as_tensor(source_val).to(kinds[output_dtype])


def constexpr_blockwise_shift_scale(
    *, data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> Tensor:
    """Return scale · (data − offset); each entry of `scale` stands for a block of `data`."""
    shifted = data.float()
    if offset is not None:
        shifted = shifted - spread(offset.float(), data.shape)
    return spread(scale, data.shape) * shifted


def constexpr_lut_to_sparse(
    *,
    indices_mask: Tensor,
    indices_nonzero_data: Tensor,
    lut: Tensor,
    vector_axis: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Look up the indices that are stored; returns a mask and its values, in order."""
    values = looked_up(scattered(indices_nonzero_data, indices_mask), lut, vector_axis)
    mask = indices_mask
    if vector_axis is not None:
        mask = mask.repeat_interleave(lut.shape[-1], vector_axis)
    return mask, values[mask != 0]


def constexpr_sparse_blockwise_shift_scale(
    *, data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Dequantize the values that are stored; returns the mask and the values, in order."""
    dense = constexpr_blockwise_shift_scale(
        data=scattered(nonzero_data, data_mask), scale=scale, offset=offset
    )
    return data_mask, dense[data_mask != 0]


def unpacked(packed: Tensor, bits: int, count: int) -> Tensor:
    """Return `count` integers of `bits` bits each from bytes, lowest bits first."""
    import numpy as np

    stream = np.unpackbits(packed.numpy().astype(np.uint8).reshape(-1), bitorder="little")
    groups = stream[: count * bits].reshape(count, bits).astype(np.int64)
    return torch.from_numpy((groups << np.arange(bits)).sum(1))


def scattered(values: Tensor, mask: Tensor) -> Tensor:
    """Return zeros with `values` where the mask is set, in row-major order."""
    dense = torch.zeros(mask.shape, dtype=values.dtype)
    dense[mask != 0] = values.reshape(-1)
    return dense


def spread(small: Tensor, shape: torch.Size) -> Tensor:
    """Repeat each entry along each axis until the tensor has `shape`."""
    for axis, (have, want) in enumerate(zip(small.shape, shape, strict=True)):
        if have != want:
            small = small.repeat_interleave(want // have, axis)
    return small


def looked_up(indices: Tensor, lut: Tensor, vector_axis: int | None) -> Tensor:
    """Look up in tables [groups per axis …, palette, vector]; vectors fill `vector_axis`."""
    palette, vector = lut.shape[-2:]
    tables = lut.reshape(*lut.shape[:-2], palette * vector)
    for axis, want in enumerate(indices.shape):
        if tables.shape[axis] != want:
            tables = tables.repeat_interleave(want // tables.shape[axis], axis)
    tables = tables.reshape(*indices.shape, palette, vector)
    index = indices.long()[..., None, None].expand(*indices.shape, 1, vector)
    values = tables.gather(-2, index).squeeze(-2)
    if vector == 1 or vector_axis is None:
        return values.squeeze(-1)
    axis = vector_axis % indices.dim()
    moved = values.movedim(-1, axis + 1)
    return moved.reshape(
        *indices.shape[:axis], indices.shape[axis] * vector, *indices.shape[axis + 1 :]
    )


TABLE: dict[str, Handler] = {
    "constexpr_affine_dequantize": constexpr_affine_dequantize,
    "constexpr_lut_to_dense": constexpr_lut_to_dense,
    "constexpr_sparse_to_dense": constexpr_sparse_to_dense,
    "constexpr_cast": constexpr_cast,
    "constexpr_blockwise_shift_scale": constexpr_blockwise_shift_scale,
    "constexpr_lut_to_sparse": constexpr_lut_to_sparse,
    "constexpr_sparse_blockwise_shift_scale": constexpr_sparse_blockwise_shift_scale,
}
