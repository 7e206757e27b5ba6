"""Operators that choose by index, or by rank: gather, scatter, sort, and suppression of boxes.

Source: the operator definitions of coremltools (`iOS15` to `iOS17`, scatter_gather and
tensor_operation). Negative indices count from the end, as before iOS 17, unless the operator asks
for validated ones; indices beyond the axis, for which Core ML leaves the result undefined, are
refused.
"""

import math

import torch
from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.values import (
    Number,
    flag,
    integer,
    position,
    refused,
    tensor,
)

_SCATTER_REDUCTIONS = {"mul": "prod", "max": "amax", "min": "amin"}


def gather(
    *,
    x: Tensor,
    indices: Number,
    axis: Number = 0,
    batch_dims: Number = 0,
    validate_indices: Number = False,
) -> Tensor:
    """Take slices along an axis: x [*D], indices [*N], result [*D[:axis], *N[batch:], *D[axis+1:]].

    The first `batch_dims` axes of x and indices run together.

    Raises:
        ArtifactError: an axis, index or number of batch axes out of range.
    """
    place = position("gather", axis, x.dim())
    chosen = _inside("gather", indices, x.shape[place], validate_indices)
    batch = integer(batch_dims)
    if not 0 <= batch <= min(place, chosen.dim()):
        raise refused("gather", "batch_dims", batch, f"is outside [0, {min(place, chosen.dim())}]")
    shape = (*x.shape[:place], *chosen.shape[batch:], *x.shape[place + 1 :])
    if not batch:
        return x.index_select(place, chosen.reshape(-1)).reshape(shape)
    groups = math.prod(x.shape[:batch])
    before, after = math.prod(x.shape[batch:place]), math.prod(x.shape[place + 1 :])
    rows = x.reshape(groups, before, x.shape[place], after)
    picks = chosen.reshape(groups, 1, -1, 1).expand(-1, before, -1, after)
    return rows.gather(2, picks).reshape(shape)


def gather_along_axis(
    *, x: Tensor, indices: Tensor, axis: Number = 0, validate_indices: Number = False
) -> Tensor:
    """Take one value per index: x [*D], indices [*K] of the same rank, result [*K].

    Raises:
        ArtifactError: an axis or index out of range.
    """
    place = position("gather_along_axis", axis, x.dim())
    return x.gather(place, _inside("gather_along_axis", indices, x.shape[place], validate_indices))


def gather_nd(
    *, x: Tensor, indices: Tensor, batch_dims: Number = 0, validate_indices: Number = False
) -> Tensor:
    """Take slices by index vectors: indices [*N, K], result [*N, *D[batch + K:]].

    Raises:
        ArtifactError: an index out of range, or vectors longer than x has axes.
    """
    batch, depth = integer(batch_dims), indices.shape[-1]
    if batch < 0 or batch + depth > x.dim() or batch >= indices.dim():
        raise refused("gather_nd", "batch_dims", batch, f"does not fit x {list(x.shape)}")
    shape = (*indices.shape[:-1], *x.shape[batch + depth :])
    rows = x.reshape(-1, *x.shape[batch + depth :])
    sizes = list(x.shape[batch : batch + depth])
    flat = _flat_index("gather_nd", indices, sizes, validate_indices)
    groups = math.prod(x.shape[:batch])
    start = torch.arange(groups, device=x.device) * math.prod(sizes)
    flat = flat.reshape(groups, -1) + start[:, None]
    return rows.index_select(0, flat.reshape(-1)).reshape(shape)


def scatter(
    *,
    data: Tensor,
    indices: Number,
    updates: Tensor,
    axis: Number = 0,
    mode: str = "add",
    validate_indices: Number = False,
) -> Tensor:
    """Write slices along an axis: updates [*D[:axis], *N, *D[axis+1:]] for indices [*N].

    Raises:
        ArtifactError: an axis or index out of range, or an unknown mode.
    """
    place = position("scatter", axis, data.dim())
    chosen = _inside("scatter", indices, data.shape[place], validate_indices).reshape(-1)
    shape = (*data.shape[:place], chosen.numel(), *data.shape[place + 1 :])
    index = chosen.reshape(-1, *[1] * (data.dim() - place - 1)).expand(shape)
    return _combined("scatter", mode, data, updates.reshape(shape), place, index)


def scatter_along_axis(
    *,
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: Number = 0,
    mode: str = "add",
    validate_indices: Number = False,
) -> Tensor:
    """Write one value per index: indices and updates [*K] of the rank of data.

    Raises:
        ArtifactError: an axis or index out of range, or an unknown mode.
    """
    place = position("scatter_along_axis", axis, data.dim())
    index = _inside("scatter_along_axis", indices, data.shape[place], validate_indices)
    return _combined("scatter_along_axis", mode, data, updates, place, index)


def scatter_nd(
    *,
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    mode: str = "add",
    validate_indices: Number = False,
) -> Tensor:
    """Write slices by index vectors: indices [*N, K], updates [*N, *D[K:]].

    Raises:
        ArtifactError: an index out of range, vectors longer than data has axes, an unknown mode.
    """
    depth = indices.shape[-1]
    if depth > data.dim():
        raise refused("scatter_nd", "indices", list(indices.shape), f"for data {list(data.shape)}")
    flat = _flat_index("scatter_nd", indices, list(data.shape[:depth]), validate_indices)
    rows = data.reshape(math.prod(data.shape[:depth]), -1)
    slices = updates.reshape(flat.numel(), rows.shape[1])
    index = flat.reshape(-1, 1).expand(slices.shape)
    return _combined("scatter_nd", mode, rows, slices, 0, index).reshape(data.shape)


def one_hot(
    *,
    indices: Number,
    one_hot_vector_size: Number,
    axis: Number = -1,
    on_value: Number = 1,
    off_value: Number = 0,
) -> Tensor:
    """Return vectors that hold `on_value` at the index and `off_value` elsewhere.

    The new axis stands at `axis` of the result. An index outside the vector sets nothing.

    Raises:
        ArtifactError: an axis out of range.
    """
    chosen = tensor(indices).to(torch.int64)
    place = position("one_hot", axis, chosen.dim() + 1)
    places = torch.arange(integer(one_hot_vector_size), device=chosen.device)
    places = places.reshape(-1, *[1] * (chosen.dim() - place))
    return torch.where(chosen.unsqueeze(place) == places, tensor(on_value), tensor(off_value))


def _inside(operator: str, indices: Number, size: int, validate: Number) -> Tensor:
    """Return the indices as int64 in [0, size).

    Raises:
        ArtifactError: an index out of range.
    """
    chosen = tensor(indices).to(torch.int64)
    lowest = 0 if flag(validate) else -size
    wrong = chosen[(chosen < lowest) | (chosen >= size)]
    if wrong.numel():
        raise refused(operator, "indices", int(wrong[0]), f"is outside [{lowest}, {size})")
    return torch.where(chosen < 0, chosen + size, chosen)


def _flat_index(operator: str, indices: Tensor, sizes: list[int], validate: Number) -> Tensor:
    """Return index vectors [*N, K] as row-major places [*N] in a block of the sizes [K]."""
    flat = torch.zeros(indices.shape[:-1], dtype=torch.int64, device=indices.device)
    for k, size in enumerate(sizes):
        flat = flat * size + _inside(operator, indices[..., k], size, validate)
    return flat


def _combined(
    operator: str, mode: str, data: Tensor, updates: Tensor, axis: int, index: Tensor
) -> Tensor:
    updates = updates.to(data.dtype)
    if mode == "update":
        return data.scatter(axis, index, updates)
    if mode in {"add", "sub"}:
        return data.scatter_add(axis, index, updates if mode == "add" else -updates)
    if mode in _SCATTER_REDUCTIONS:
        return data.scatter_reduce(axis, index, updates, reduce=_SCATTER_REDUCTIONS[mode])
    if mode == "div":
        divisor = torch.ones_like(data).scatter_reduce(axis, index, updates, reduce="prod")
        cut = None if data.is_floating_point() else "trunc"
        return torch.div(data, divisor, rounding_mode=cut)
    raise refused(operator, "mode", mode, "is none of add, div, max, min, mul, sub, update")


TABLE: dict[str, Handler] = {
    "gather": gather,
    "gather_along_axis": gather_along_axis,
    "gather_nd": gather_nd,
    "one_hot": one_hot,
    "scatter": scatter,
    "scatter_along_axis": scatter_along_axis,
    "scatter_nd": scatter_nd,
}
