"""Operators that cut windows out of a tensor, or write into one.

Source: the operator definitions of coremltools (`iOS15` to `iOS18`, tensor_transformation and
tensor_operation).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.values import (
    Number,
    integer,
    integers,
    position,
    refused,
)


def slice_by_index(
    *,
    x: Tensor,
    begin: Number,
    end: Number,
    stride: Number | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """Cut a window as NumPy does: `x[begin:end:stride]` in each axis.

    A begin or end mask leaves that bound open; a squeeze mask takes the one element at `begin` and
    removes the axis.

    Raises:
        ArtifactError: a stride of 0, or a squeezed index out of range.
    """
    masks = (begin_mask, end_mask, squeeze_mask)
    ranges, squeezed = _ranges("slice_by_index", x, (begin, end, stride), masks)
    window, flips = _window(x, ranges)
    return window.flip(flips).squeeze(tuple(squeezed))


def slice_by_size(*, x: Tensor, begin: Number, size: Number) -> Tensor:
    """Cut `size` elements from `begin` on in each axis; a size of -1 takes the rest.

    Raises:
        ArtifactError: a window that leaves x.
    """
    starts, sizes = integers(begin), integers(size)
    for axis, (start, count) in enumerate(zip(starts, sizes, strict=True)):
        length = x.shape[axis]
        first = start + length if start < 0 else start
        taken = length - first if count == -1 else count
        if first < 0 or taken < 0 or first + taken > length:
            found = f"from {start} is outside an axis of {length}"
            raise refused("slice_by_size", "size", count, found)
        x = x.narrow(axis, first, taken)
    return x


def slice_update(
    *,
    x: Tensor,
    update: Tensor,
    begin: Number,
    end: Number,
    stride: Number | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """Return x with the window that `slice_by_index` would cut replaced by `update`.

    Raises:
        ArtifactError: a stride of 0, a squeezed index out of range, an update of another size.
    """
    masks = (begin_mask, end_mask, squeeze_mask)
    ranges, _ = _ranges("slice_update", x, (begin, end, stride), masks)
    result = x.clone()
    window, flips = _window(result, ranges)
    if window.numel() != update.numel():
        raise refused("slice_update", "update", list(update.shape), f"for {list(window.shape)}")
    window.copy_(update.reshape(window.shape).flip(flips))
    return result


def sliding_windows(*, x: Tensor, axis: Number, size: Number, stride: Number = 1) -> Tensor:
    """Return all windows of `size` along the axis: [*, L, *] to [*, windows, size, *].

    Raises:
        ArtifactError: an axis out of range, or windows longer than it.
    """
    place = position("sliding_windows", axis, x.dim())
    length, step = integer(size), integer(stride)
    if not 0 < length <= x.shape[place] or step < 1:
        raise refused("sliding_windows", "size", length, f"for x {list(x.shape)}, stride {step}")
    return x.unfold(place, length, step).movedim(-1, place + 1)


def split(
    *,
    x: Tensor,
    axis: Number,
    num_splits: Number | None = None,
    split_sizes: Number | None = None,
) -> tuple[Tensor, ...]:
    """Cut x along an axis into parts of the given sizes, or into `num_splits` equal ones.

    Raises:
        ArtifactError: sizes that do not add up, or are not given.
    """
    place = position("split", axis, x.dim())
    length = x.shape[place]
    if split_sizes is not None:
        sizes = integers(split_sizes)
        if sum(sizes) != length or min(sizes, default=0) < 0:
            raise refused("split", "split_sizes", sizes, f"does not add up to {length}")
        return torch.split_with_sizes(x, sizes, dim=place)
    count = 0 if num_splits is None else integer(num_splits)
    if count < 1 or length % count:
        raise refused("split", "num_splits", num_splits, f"does not divide {length}")
    return torch.split_with_sizes(x, [length // count] * count, dim=place)


def band_part(*, x: Tensor, lower: Number = -1, upper: Number = -1) -> Tensor:
    """Keep a band of the innermost matrices [M, N]: `lower` diagonals below, `upper` above.

    A negative number keeps all of that side; what is outside becomes zero.
    """
    rows = torch.arange(x.shape[-2], device=x.device)[:, None]
    columns = torch.arange(x.shape[-1], device=x.device)
    below, above = integer(lower), integer(upper)
    keep = torch.ones(x.shape[-2:], dtype=torch.bool, device=x.device)
    if below >= 0:
        keep &= rows - columns <= below
    if above >= 0:
        keep &= columns - rows <= above
    return torch.where(keep, x, torch.zeros_like(x))


def _ranges(
    operator: str,
    x: Tensor,
    bounds: tuple[Number, Number, Number | None],
    masks: Sequence[Tensor | None],
) -> tuple[list[range], list[int]]:
    """Return the places that a slice takes in each axis, and the axes that it removes."""
    rank = x.dim()
    begin, end = integers(bounds[0]), integers(bounds[1])
    stride = [1] * rank if bounds[2] is None else integers(bounds[2])
    opened, closed, squeezed = (
        [False] * rank if mask is None else [bool(one) for one in integers(mask)] for mask in masks
    )
    ranges = []
    for axis, length in enumerate(x.shape):
        start = None if opened[axis] else begin[axis]
        if squeezed[axis]:
            place = position(operator, start or 0, length, "begin")
            ranges.append(range(place, place + 1))
            continue
        if stride[axis] == 0:
            raise refused(operator, "stride", stride, "holds a 0")
        stop = None if closed[axis] else end[axis]
        ranges.append(range(*slice(start, stop, stride[axis]).indices(length)))
    return ranges, [axis for axis in range(rank) if squeezed[axis]]


def _window(x: Tensor, ranges: list[range]) -> tuple[Tensor, list[int]]:
    """Return a view of the places with all strides forwards, and the axes to turn around."""
    forwards = [places if places.step > 0 else places[::-1] for places in ranges]
    cuts = [slice(p.start, p.stop, p.step) if len(p) else slice(0, 0) for p in forwards]
    return x[tuple(cuts)], [axis for axis, places in enumerate(ranges) if places.step < 0]


TABLE: dict[str, Handler] = {
    "band_part": band_part,
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "slice_update": slice_update,
    "sliding_windows": sliding_windows,
    "split": split,
}
