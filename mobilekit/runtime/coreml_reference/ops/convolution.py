"""Convolutions and transposed convolutions of one to three dimensions."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.windows import integers, padding_of

_CONV = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
_TRANSPOSED = {1: torch.conv_transpose1d, 2: torch.conv_transpose2d, 3: torch.conv_transpose3d}


def conv(
    *,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Any = None,
    pad_type: str = "valid",
    pad: Any = None,
    dilations: Any = None,
    groups: int = 1,
) -> Tensor:
    """Convolve x [N, C, …] with weight [filters, C / groups, …]."""
    rank = x.dim() - 2
    stride, dilation = integers(strides, rank, 1), integers(dilations, rank, 1)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    sides = padding_of(pad_type, pad, x.shape[2:], spans, stride)
    if all(before == after for before, after in sides):
        even = [before for before, _ in sides]
        return _CONV[rank](x, weight, bias, stride, even, dilation, groups)
    flat = [size for side in reversed(sides) for size in side]
    return _CONV[rank](functional.pad(x, flat), weight, bias, stride, 0, dilation, groups)


def conv_transpose(
    *,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: Any = None,
    output_shape: Any = None,
    pad_type: str = "valid",
    strides: Any = None,
    dilations: Any = None,
    groups: int = 1,
) -> Tensor:
    """Transposed convolution of x [N, C, …] with weight [C, filters / groups, …].

    The full result is cut by the padding; `output_shape` sets its length, beyond which there is
    the bias alone.
    """
    rank = x.dim() - 2
    stride, dilation = integers(strides, rank, 1), integers(dilations, rank, 1)
    full = _TRANSPOSED[rank](x, weight, None, stride, 0, 0, groups, dilation)
    wanted = None if output_shape is None else integers(output_shape, rank, 1)[-rank:]
    for index in range(rank):
        axis = index + 2
        begin, length = _cut(
            (pad_type, integers(pad, 2 * rank, 0)[2 * index : 2 * index + 2]),
            full.shape[axis],
            x.shape[axis] * stride[index],
            None if wanted is None else wanted[index],
        )
        missing = begin + length - full.shape[axis]
        if missing > 0:
            full = functional.pad(full, [0, 0] * (rank - 1 - index) + [0, missing])
        full = full.narrow(axis, begin, length)
    return full if bias is None else full + bias.reshape(1, -1, *([1] * rank))


def conv_quantized(
    *,
    x: Tensor,
    weight: Tensor,
    quantization_type: str,
    quant_scale: Any,
    quant_bias: Any,
    bias: Tensor | None = None,
    nbits: int = 8,
    strides: Any = None,
    pad_type: str = "valid",
    pad: Any = None,
    dilations: Any = None,
    groups: int = 1,
) -> Tensor:
    """Convolve with `weight * quant_scale + quant_bias`, per filter (linear quantization)."""
    del nbits  # the program stores whole integers
    if quantization_type.lower() != "linear":
        raise ArtifactError(
            f"operator conv_quantized: quantization_type {quantization_type!r} is not supported"
        )
    shape = (-1, *([1] * (weight.dim() - 1)))
    scale, shift = (torch.as_tensor(v, dtype=torch.float32) for v in (quant_scale, quant_bias))
    dense = weight.float() * scale.reshape(shape) + shift.reshape(shape)
    return conv(
        x=x, weight=dense, bias=bias, strides=strides, pad_type=pad_type, pad=pad,
        dilations=dilations, groups=groups,
    )  # fmt: skip


def _cut(
    padding: tuple[str, list[int]], full: int, scaled: int, wanted: int | None
) -> tuple[int, int]:
    """Return where the result begins in the full one, and how long it is."""
    kind, (before, after) = padding
    if kind in {"same", "same_lower"}:
        length = wanted if wanted is not None else scaled
        total = max(full - length, 0)
        begin = total // 2 if kind == "same" else total - total // 2
        return begin, length
    if kind == "valid":
        before = after = 0
    elif kind != "custom":
        raise ArtifactError(f"operator conv_transpose: pad_type {kind!r} is not supported")
    return before, full - before - after if wanted is None else wanted


TABLE: dict[str, Handler] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "conv_quantized": conv_quantized,
}
