"""Operators that only move elements: views, slices, permutations, joins."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from mobilekit.compress.graph.labels import Component, Labels, moved, pattern
from mobilekit.compress.graph.record import Value
from mobilekit.compress.graph.tracing import Tracing


def move(t: Tracing) -> None:
    """Do to the labels what is done to the tensor."""
    call = t.call
    source = call.inputs[0]
    operator = call.operator

    def apply(array: Tensor) -> Tensor:
        args, kwargs = pytree.tree_map_only(Value, lambda _: array, (call.args, call.kwargs))
        return operator(*args, **kwargs)  # type: ignore[no-any-return]

    _given(t, source, apply)


def view(t: Tracing) -> None:
    """Give the elements another shape."""
    shape = t.record.shape(t.call.outputs[0])
    _given(t, t.call.inputs[0], lambda array: array.reshape(shape))


def pieces(t: Tracing) -> None:
    """Cut a tensor along a dimension."""
    call = t.call
    source = call.inputs[0]
    for number, value in enumerate(call.outputs):

        def piece(array: Tensor, number: int = number) -> Tensor:
            args, kwargs = pytree.tree_map_only(Value, lambda _: array, (call.args, call.kwargs))
            return call.operator(*args, **kwargs)[number]  # type: ignore[no-any-return]

        labels, single = moved(t.labels(source), t.record.shape(value), piece)
        t.pin(single, f"taken alone ({t.where()})")
        t.give(value, labels.components)


def strided(t: Tracing) -> None:
    """Take other strides; with the same shape, nothing moves."""
    call = t.call
    labels = t.labels(call.inputs[0])
    if tuple(call.argument("size")) == labels.shape:
        t.give(call.outputs[0], labels.components)
    else:
        t.pin(labels.components, f"other strides ({t.where()})")
        t.give(call.outputs[0])


def turned(t: Tracing) -> None:
    """Roll or flip: over channels their order would have to be kept, so these stay."""
    call = t.call
    labels = t.labels(call.inputs[0])
    rank = len(labels.shape)
    given = call.argument("dims")
    over = {int(d) % rank for d in given} if given else set(range(rank))
    kept = []
    for part in labels.components:
        if set(pattern(part)) & over:
            t.pin([part], f"their order matters ({t.where()})")
        else:
            kept.append(part)
    t.give(call.outputs[0], kept)


def cat(t: Tracing) -> None:
    """Join tensors along a dimension: their channels one after the other."""
    call = t.call
    tensors = [value for value in call.args[0] if math.prod(t.record.shape(value))]
    out = call.outputs[0]
    rank = len(t.record.shape(out))
    dimension = call.argument("dim") % rank
    labels = [t.labels(value) for value in tensors]
    across = _across(t, labels, dimension)
    if not any(one.along(dimension) for one in labels):
        t.give(out, across)
        return
    columns = [_column(t, one, dimension) for one in labels]
    extent = [max(column.shape[d] for column in columns) for d in range(rank)]
    wide = [
        column.expand([n if d != dimension else column.shape[d] for d, n in enumerate(extent)])
        for column in columns
    ]
    t.give(out, [*across, torch.cat(wide, dimension)])


def stack(t: Tracing) -> None:
    """Join tensors along a new dimension: what they share is tied."""
    call = t.call
    labels = [t.labels(value) for value in call.args[0]]
    out = call.outputs[0]
    shape = t.record.shape(out)
    dimension = call.argument("dim") % len(shape)
    made = t.combined(labels, labels[0].shape)
    t.give(out, [part.unsqueeze(dimension) for part in made])


def gathered(t: Tracing) -> None:
    """Pick by an array of places along the first dimensions; what varies along those stays."""
    call = t.call
    source, places = call.args[0], call.args[1]
    labels = t.labels(source)
    out = t.record.shape(call.outputs[0])
    leading = isinstance(places, (list, tuple)) and all(isinstance(p, Value) for p in places)
    count = len(places) if leading else 0
    kept = []
    for part in labels.components:
        if leading and not set(pattern(part)) & set(range(count)):
            rest = part.shape[count:]
            kept.append(part.reshape((1,) * (len(out) - len(rest)) + tuple(rest)))
        else:
            t.pin([part], f"picked by an array of places ({t.where()})")
    t.give(call.outputs[0], kept)


def _across(t: Tracing, labels: list[Labels], dimension: int) -> list[Component]:
    """Return the components that do not vary along the joined dimension."""
    flat = [
        Labels(
            tuple(1 if d == dimension else n for d, n in enumerate(one.shape)), one.apart(dimension)
        )
        for one in labels
    ]
    shape = tuple(max(one.shape[d] for one in flat) for d in range(len(flat[0].shape)))
    return t.combined(flat, shape)


def _column(t: Tracing, labels: Labels, dimension: int) -> Component:
    """Return one component along the joined dimension, whole; what is fixed gets pinned atoms."""
    parts = labels.along(dimension)
    size = labels.shape[dimension]
    rank = len(labels.shape)
    if not parts:
        fixed = t.atoms.fresh(size)
        t.atoms.pin(fixed, f"joined with channels, and fixed itself ({t.where()})")
        return fixed.reshape([size if d == dimension else 1 for d in range(rank)])
    for other in parts[1:]:
        t.atoms.tie(parts[0], other)
    return max(parts, key=lambda part: len(pattern(part)))


def _given(t: Tracing, source: Value, apply: Callable[[Tensor], Any]) -> None:
    out = t.call.outputs[0]
    labels, single = moved(t.labels(source), t.record.shape(out), apply)
    t.pin(single, f"taken alone ({t.where()})")
    t.give(out, labels.components)


RULES = {
    "cat": cat,
    "stack": stack,
    "index": gathered,
    "flip": turned,
    "roll": turned,
    "as_strided": strided,
    **dict.fromkeys(("_unsafe_view", "view", "reshape", "_reshape_alias", "unsafe_view"), view),
    **dict.fromkeys(
        ("chunk", "split", "split_with_sizes", "tensor_split", "unbind", "unsafe_split"), pieces
    ),
    **dict.fromkeys(
        (
            "channel_shuffle",
            "detach",
            "diagonal",
            "expand",
            "native_channel_shuffle",
            "permute",
            "pixel_shuffle",
            "pixel_unshuffle",
            "repeat",
            "select",
            "slice",
            "squeeze",
            "t",
            "transpose",
            "unfold",
            "unsqueeze",
        ),
        move,
    ),
}
