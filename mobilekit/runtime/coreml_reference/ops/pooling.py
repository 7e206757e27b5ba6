"""Average, maximum and L2 pooling of one to three dimensions."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.windows import Sides, ceiled, integers, padding_of

_AVERAGE: dict[int, Any] = {
    1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d,
}  # fmt: skip
_MAXIMUM: dict[int, Any] = {
    1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d,
}  # fmt: skip


def avg_pool(
    *,
    x: Tensor,
    kernel_sizes: Any,
    pad_type: str,
    strides: Any = None,
    pad: Any = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    """Average over windows of x [N, C, …].

    What `ceil_mode` adds never counts; the padding counts unless it is excluded.
    """
    kernel, stride, sides, extra = _windows(x, kernel_sizes, strides, (pad_type, pad), ceil_mode)
    rank = len(kernel)
    if not any(map(any, sides)) and not any(map(any, extra)):
        result: Tensor = _AVERAGE[rank](x, kernel, stride)
        return result
    ones = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
    counted = _padded(ones, sides, 0.0 if exclude_padding_from_average else 1.0)
    share = _AVERAGE[rank](_padded(counted, extra, 0.0), kernel, stride)
    mean = _AVERAGE[rank](_padded(_padded(x, sides, 0.0), extra, 0.0), kernel, stride)
    quotient: Tensor = mean / share
    return quotient


def max_pool(
    *,
    x: Tensor,
    kernel_sizes: Any,
    pad_type: str,
    strides: Any = None,
    pad: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Take the maximum over windows of x [N, C, …]."""
    kernel, stride, sides, extra = _windows(x, kernel_sizes, strides, (pad_type, pad), ceil_mode)
    both = [(b + eb, a + ea) for (b, a), (eb, ea) in zip(sides, extra, strict=True)]
    result: Tensor = _MAXIMUM[len(kernel)](_padded(x, both, -torch.inf), kernel, stride)
    return result


def l2_pool(
    *,
    x: Tensor,
    kernel_sizes: Any,
    pad_type: str,
    strides: Any = None,
    pad: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Take the root of the sum of squares over windows of x [N, C, …]."""
    kernel, stride, sides, extra = _windows(x, kernel_sizes, strides, (pad_type, pad), ceil_mode)
    both = [(b + eb, a + ea) for (b, a), (eb, ea) in zip(sides, extra, strict=True)]
    count = 1
    for size in kernel:
        count *= size
    mean = _AVERAGE[len(kernel)](_padded(x * x, both, 0.0), kernel, stride)
    return torch.sqrt(mean * count)


def _windows(
    x: Tensor, kernel_sizes: Any, strides: Any, padding: tuple[str, Any], ceil_mode: bool
) -> tuple[list[int], list[int], Sides, Sides]:
    rank = x.dim() - 2
    kernel, stride = integers(kernel_sizes, rank, 1), integers(strides, rank, 1)
    sides = padding_of(*padding, x.shape[2:], kernel, stride)
    extra = ceiled(sides, x.shape[2:], kernel, stride) if ceil_mode else [(0, 0)] * rank
    return kernel, stride, sides, extra


def _padded(x: Tensor, sides: Sides, value: float) -> Tensor:
    flat = [size for side in reversed(sides) for size in side]
    return functional.pad(x, flat, value=value) if any(flat) else x


TABLE: dict[str, Handler] = {"avg_pool": avg_pool, "max_pool": max_pool, "l2_pool": l2_pool}
