"""Operators that rearrange, cut, join, pad and fill tensors without computing on their values.

Source: the operator definitions of coremltools (`iOS15` to `iOS18`, tensor_transformation and
tensor_operation).
"""

import math

import torch
from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.values import (
    Number,
    TensorList,
    Value,
    flag,
    integer,
    integers,
    position,
    positions,
    real,
    refused,
    several,
    tensor,
)


def reshape(*, x: Number, shape: Number) -> Tensor:
    """Give x another shape; -1 is what remains, 0 the size of x at that place, from the right.

    A 0 left of all axes of x is a 1 (iOS 17; before, shapes with 0 have the rank of x, where both
    rules agree). x [2, 50] to [1, 0, -1, 0] is [1, 1, 2, 50].

    Raises:
        ArtifactError: two -1, or another number of elements.
    """
    source, sizes = tensor(x), integers(shape)
    shift = source.dim() - len(sizes)
    for i, size in enumerate(sizes):
        if size == 0:
            sizes[i] = source.shape[i + shift] if i + shift >= 0 else 1
    if sizes.count(-1) == 1:
        known = math.prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = source.numel() // known if known else 0
    if min(sizes, default=0) < 0 or math.prod(sizes) != source.numel():
        raise refused("reshape", "shape", integers(shape), f"does not fit x {list(source.shape)}")
    return source.reshape(sizes)


def reshape_like(
    *,
    x: Tensor,
    ref_tensors: tuple[Tensor, ...],
    begins: tuple[Number, ...],
    ends: tuple[Number, ...],
    end_masks: tuple[Number, ...],
) -> Tensor:
    """Reshape x to the joined parts of other tensors' shapes.

    Part i is `ref_tensors[i].shape[begins[i]:ends[i]]`, to the end where `end_masks[i]` is true.

    Raises:
        ArtifactError: another number of elements.
    """
    sizes: list[int] = []
    parts = zip(*map(several, (ref_tensors, begins, ends, end_masks)), strict=True)
    for reference, begin, end, mask in parts:
        stop = None if flag(mask) else integer(end)
        sizes += tensor(reference).shape[integer(begin) : stop]
    if math.prod(sizes) != x.numel():
        raise refused("reshape_like", "ref_tensors", sizes, f"does not fit x {list(x.shape)}")
    return x.reshape(sizes)


def transpose(*, x: Tensor, perm: Number) -> Tensor:
    """Reorder the axes: axis i of the result is axis perm[i] of x.

    Raises:
        ArtifactError: no permutation of the axes.
    """
    order = positions("transpose", perm, x.dim()) if x.dim() else []
    if sorted(order) != list(range(x.dim())):
        raise refused("transpose", "perm", integers(perm), f"is no permutation of {x.dim()} axes")
    return x.permute(order)


def expand_dims(*, x: Number, axes: Number) -> Tensor:
    """Insert axes of length 1 at the given places of the result.

    Raises:
        ArtifactError: an axis out of range.
    """
    source = tensor(x)
    for axis in sorted(positions("expand_dims", axes, source.dim() + len(integers(axes)))):
        source = source.unsqueeze(axis)
    return source


def squeeze(*, x: Tensor, axes: Number | None = None) -> Tensor:
    """Remove axes of length 1, all of them without `axes`; longer ones stay."""
    if axes is None:
        return x.squeeze()
    return x.squeeze(tuple(positions("squeeze", axes, x.dim())))


def flatten2d(*, x: Tensor, axis: Number = 1) -> Tensor:
    """Join the axes before `axis` into one and those from it on into another."""
    place = integer(axis)
    return x.reshape(math.prod(x.shape[:place]), math.prod(x.shape[place:]))


def shape(*, x: Number) -> Tensor:
    """Return the sizes of x as an int32 vector."""
    return torch.tensor(tensor(x).shape, dtype=torch.int32)


def identity(*, x: Value) -> Value:
    """Return x itself, tensor or list."""
    return x if isinstance(x, TensorList) else tensor(x)


def concat(*, values: tuple[Number, ...], axis: Number, interleave: Number = False) -> Tensor:
    """Join tensors along an axis; interleaved: first elements of all, then second ones, ….

    Numbers without axes are joined to a vector.

    Raises:
        ArtifactError: an axis out of range, or interleaved tensors of different shapes.
    """
    parts = [tensor(value) for value in several(values)]
    if parts[0].dim() == 0:
        return torch.stack(parts)
    place = position("concat", axis, parts[0].dim())
    if not flag(interleave):
        return torch.cat(parts, dim=place)
    if len({part.shape for part in parts}) > 1:
        shapes = [list(part.shape) for part in parts]
        raise refused("concat", "interleave", True, f"for unequal shapes {shapes}")
    return torch.stack(parts, dim=place + 1).flatten(place, place + 1)


def stack(*, values: tuple[Number, ...], axis: Number) -> Tensor:
    """Join tensors of one shape along a new axis.

    Raises:
        ArtifactError: an axis out of range.
    """
    parts = [tensor(value) for value in several(values)]
    return torch.stack(parts, dim=position("stack", axis, parts[0].dim() + 1))


def pad(*, x: Tensor, pad: Number, mode: str = "constant", constant_val: Number = 0.0) -> Tensor:
    """Add elements before and after the last axes: pad is [before, after] per axis, flattened.

    `reflect` mirrors without repeating the edge, `replicate` repeats the edge.

    Raises:
        ArtifactError: an unknown mode, or amounts that do not fit x.
    """
    amounts = integers(pad)
    if len(amounts) % 2 or len(amounts) > 2 * x.dim() or min(amounts, default=0) < 0:
        raise refused("pad", "pad", amounts, f"does not fit x {list(x.shape)}")
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    if mode == "constant":
        reverse = [amount for pair in reversed(pairs) for amount in pair]
        return torch.nn.functional.pad(x, reverse, value=real(constant_val))
    if mode not in {"reflect", "replicate"}:
        raise refused("pad", "mode", mode, "is none of constant, reflect, replicate")
    for axis, (before, after) in enumerate(pairs, start=x.dim() - len(pairs)):
        if before or after:
            x = x.index_select(axis, _mirrored(x.shape[axis], before, after, mode))
    return x


def tile(*, x: Tensor, reps: Number) -> Tensor:
    """Repeat x reps[i] times along axis i.

    Raises:
        ArtifactError: not one positive number per axis.
    """
    times = integers(reps)
    if len(times) != x.dim() or min(times, default=1) < 1:
        raise refused("tile", "reps", times, f"does not fit x {list(x.shape)}")
    return x.repeat(times)


def reverse(*, x: Tensor, axes: Number | None = None) -> Tensor:
    """Turn x around along the axes; along all of them without `axes`."""
    return x.flip(list(range(x.dim())) if axes is None else positions("reverse", axes, x.dim()))


def reverse_sequence(
    *, x: Tensor, lengths: Number, seq_axis: Number = 0, batch_axis: Number = 0
) -> Tensor:
    """Turn around the first lengths[i] elements along `seq_axis` of part i along `batch_axis`.

    Raises:
        ArtifactError: axes that are the same, or lengths that do not fit.
    """
    along = position("reverse_sequence", seq_axis, x.dim(), "seq_axis")
    batch = position("reverse_sequence", batch_axis, x.dim(), "batch_axis")
    if along == batch:
        raise refused("reverse_sequence", "seq_axis", along, "is the batch axis")
    counts = tensor(lengths).reshape(-1, 1).to(torch.int64)
    steps = torch.arange(x.shape[along], device=x.device)
    if counts.numel() != x.shape[batch] or bool(((counts < 0) | (counts > len(steps))).any()):
        raise refused("reverse_sequence", "lengths", integers(lengths), f"for x {list(x.shape)}")
    order = torch.where(steps < counts, counts - 1 - steps, steps)
    rows = x.movedim((batch, along), (0, 1))
    order = order.reshape(*order.shape, *[1] * (x.dim() - 2)).expand(rows.shape)
    return rows.gather(1, order).movedim((0, 1), (batch, along))


def fill(*, shape: Number, value: Number = 0.0) -> Tensor:
    """Return a tensor of one value, of the value's type."""
    return tensor(value).expand(integers(shape)).clone()


def fill_like(*, ref_tensor: Number, value: Number = 0.0) -> Tensor:
    """Return a tensor of one value in the shape of another, of the value's type."""
    return tensor(value).expand(tensor(ref_tensor).shape).clone()


def range_1d(*, end: Number, start: Number, step: Number) -> Tensor:
    """Return start, start + step, … below end (above it for a negative step).

    Raises:
        ArtifactError: a step of 0.
    """
    first, last, by = (tensor(value).item() for value in (start, end, step))
    if by == 0:
        raise refused("range_1d", "step", by, "never arrives")
    dtype = torch.result_type(tensor(start), tensor(step))
    if (last - first) / by <= 0:
        return torch.empty(0, dtype=dtype)
    return torch.arange(first, last, by, dtype=dtype)


def _mirrored(length: int, before: int, after: int, mode: str) -> Tensor:
    """Return the places that a padded axis reads from."""
    places = torch.arange(-before, length + after)
    if mode == "replicate":
        return places.clamp(0, length - 1)
    if max(before, after) >= length:
        raise refused("pad", "pad", max(before, after), f"reflects beyond an axis of {length}")
    return length - 1 - (length - 1 - places.abs()).abs()


TABLE: dict[str, Handler] = {
    "concat": concat,
    "expand_dims": expand_dims,
    "fill": fill,
    "fill_like": fill_like,
    "flatten2d": flatten2d,
    "identity": identity,
    "pad": pad,
    "range_1d": range_1d,
    "reshape": reshape,
    "reshape_like": reshape_like,
    "reverse": reverse,
    "reverse_sequence": reverse_sequence,
    "shape": shape,
    "squeeze": squeeze,
    "stack": stack,
    "tile": tile,
    "transpose": transpose,
}
