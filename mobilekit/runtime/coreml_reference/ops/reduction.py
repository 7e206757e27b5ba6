"""Reductions along axes, and the running sum.

Source: the operator definitions of coremltools (`iOS15` and `iOS17`, reduction; `iOS15`,
tensor_operation). Integers are summed in 64 bits and, where the function is not one on integers
(a mean, a norm, a logarithm), computed in float64 and cut toward zero.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.values import (
    Number,
    flag,
    position,
    positions,
    refused,
)

_Reduction = Callable[[Tensor, list[int]], Tensor]
"""Reduces the axes (at least one, counted from the front), keeping them with length 1."""


def reduce_argmax(
    *, x: Tensor, axis: Number = -1, keep_dims: Number = False, output_dtype: str = "int32"
) -> Tensor:
    """Return where the greatest value lies along the axis; the first of equal ones.

    Raises:
        ArtifactError: an axis out of range, or an output type other than int32 and uint16.
    """
    _check_index_type("reduce_argmax", output_dtype)
    place = position("reduce_argmax", axis, x.dim())
    return torch.argmax(x, dim=place, keepdim=flag(keep_dims))


def reduce_argmin(
    *, x: Tensor, axis: Number = -1, keep_dims: Number = False, output_dtype: str = "int32"
) -> Tensor:
    """Return where the least value lies along the axis; the first of equal ones.

    Raises:
        ArtifactError: an axis out of range, or an output type other than int32 and uint16.
    """
    _check_index_type("reduce_argmin", output_dtype)
    place = position("reduce_argmin", axis, x.dim())
    return torch.argmin(x, dim=place, keepdim=flag(keep_dims))


def cumsum(
    *, x: Tensor, axis: Number = 0, exclusive: Number = False, reverse: Number = False
) -> Tensor:
    """Return the running sum along the axis.

    With `exclusive` an element is not part of its own sum; with `reverse` the sum runs from the
    end. [1, 2, 3] gives [1, 3, 6]; exclusive [0, 1, 3]; reverse [6, 5, 3]; both [5, 3, 0].
    """
    place = position("cumsum", axis, x.dim())
    backwards = flag(reverse)
    values = x.flip(place) if backwards else x
    sums = torch.cumsum(values, dim=place)
    if flag(exclusive):
        length = x.shape[place]
        zeros = torch.zeros_like(sums.narrow(place, 0, min(length, 1)))
        sums = torch.cat([zeros, sums.narrow(place, 0, max(length - 1, 0))], dim=place)
    return sums.flip(place) if backwards else sums


def _prod(x: Tensor, axes: list[int]) -> Tensor:
    for axis in axes:
        x = torch.prod(x, dim=axis, keepdim=True)
    return x


def _sum(x: Tensor, axes: list[int]) -> Tensor:
    return torch.sum(x, dim=axes, keepdim=True)


def _l1(x: Tensor, axes: list[int]) -> Tensor:
    return _sum(torch.abs(x), axes)


def _sum_square(x: Tensor, axes: list[int]) -> Tensor:
    return _sum(torch.square(x), axes)


def _max(x: Tensor, axes: list[int]) -> Tensor:
    return torch.amax(x, dim=axes, keepdim=True)


def _min(x: Tensor, axes: list[int]) -> Tensor:
    return torch.amin(x, dim=axes, keepdim=True)


def _mean(x: Tensor, axes: list[int]) -> Tensor:
    return torch.mean(x, dim=axes, keepdim=True)


def _l2(x: Tensor, axes: list[int]) -> Tensor:
    return torch.sqrt(_sum_square(x, axes))


def _log_sum(x: Tensor, axes: list[int]) -> Tensor:
    return torch.log(_sum(x, axes))


def _log_sum_exp(x: Tensor, axes: list[int]) -> Tensor:
    return torch.logsumexp(x, dim=axes, keepdim=True)


def _reduction(operator: str, function: _Reduction, wide: torch.dtype) -> Handler:
    def handler(*, x: Tensor, axes: Tensor | None = None, keep_dims: Number = False) -> Tensor:
        chosen = list(range(x.dim())) if axes is None else positions(operator, axes, x.dim())
        values = x if x.is_floating_point() else x.to(wide)
        # Without an axis to reduce, torch would reduce all: give it one of length 1.
        reduced = function(values, chosen) if chosen else function(values[..., None], [x.dim()])
        result = reduced if chosen else reduced.squeeze(-1)
        if chosen and not flag(keep_dims):
            result = result.squeeze(tuple(chosen))
        return result if x.is_floating_point() else result.to(x.dtype)

    return handler


def _check_index_type(operator: str, output_dtype: str) -> None:
    if output_dtype.lower() not in {"int32", "uint16"}:
        raise refused(operator, "output_dtype", output_dtype, "is neither int32 nor uint16")


_REDUCTIONS: dict[str, tuple[_Reduction, torch.dtype]] = {
    "reduce_l1_norm": (_l1, torch.int64),
    "reduce_l2_norm": (_l2, torch.float64),
    "reduce_log_sum": (_log_sum, torch.float64),
    "reduce_log_sum_exp": (_log_sum_exp, torch.float64),
    "reduce_max": (_max, torch.int64),
    "reduce_mean": (_mean, torch.float64),
    "reduce_min": (_min, torch.int64),
    "reduce_prod": (_prod, torch.int64),
    "reduce_sum": (_sum, torch.int64),
    "reduce_sum_square": (_sum_square, torch.int64),
}

TABLE: dict[str, Handler] = {
    "cumsum": cumsum,
    "reduce_argmax": reduce_argmax,
    "reduce_argmin": reduce_argmin,
    **{name: _reduction(name, function, wide) for name, (function, wide) in _REDUCTIONS.items()},
}
