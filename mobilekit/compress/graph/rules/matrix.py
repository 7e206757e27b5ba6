"""Matrix products: linear layers, and products of activations with one another."""

import torch

from mobilekit.compress.graph.labels import Component, Labels, along, pattern
from mobilekit.compress.graph.record import Value
from mobilekit.compress.graph.tracing import MET, Meeting, Reading, Tracing


def mm(t: Tracing) -> None:
    """Follow `a @ b`."""
    first, second = t.call.args[:2]
    t.give(t.call.outputs[0], _product(t, first, second, None))


def addmm(t: Tracing) -> None:
    """Follow `bias + a @ b`."""
    bias, first, second = t.call.args[:3]
    made = _product(t, first, second, bias)
    out = t.call.outputs[0]
    shape = t.record.shape(out)
    t.give(out, t.combined([Labels(shape, tuple(made)), t.labels(bias)], shape))


def attention(t: Tracing) -> None:
    """Follow scaled dot-product attention: queries meet keys, values pass.

    The scale is taken from the width of the queries unless it is given, so that width is fixed.
    """
    query, key, value = (t.call.argument(name) for name in ("query", "key", "value"))
    if t.heads:
        _attend_by_heads(t, query, key, value)
        return
    why = f"the width of queries and keys sets the attention's scale ({t.where()})"
    for one in (query, key):
        t.pin(t.labels(one).components, why)
    labels = t.labels(value)
    rank = len(labels.shape)
    kept = []
    for part in labels.components:
        if rank - 2 in pattern(part):
            t.pin([part], f"a place in a sequence ({t.where()})")
        else:
            kept.append(t.collapsed(part, (rank - 1,)))
    outputs = t.call.outputs
    t.give(outputs[0], [part for part in kept if pattern(part)])
    for other in outputs[1:]:
        t.give(other)


def _attend_by_heads(t: Tracing, query: Value, key: Value, value: Value) -> None:
    """Let whole heads live or die: queries, keys and values of one together."""
    vectors: list[Component] = []
    for one in (query, key, value):
        labels = t.labels(one)
        rank = len(labels.shape)
        for part in labels.components:
            if rank > 3 and rank - 3 in pattern(part):
                vectors.append(t.collapsed(part, (rank - 3,)))
            else:
                t.pin([part], f"not apart by heads ({t.where()})")
    for other in vectors[1:]:
        t.atoms.tie(vectors[0], other)
    outputs = t.call.outputs
    t.give(outputs[0], vectors[:1])
    for statistics in outputs[1:]:  # one per head and place
        shape = t.record.shape(statistics)
        fits = vectors and len(shape) == vectors[0].ndim - 1 and shape[-2] == vectors[0].numel()
        t.give(
            statistics, [along(vectors[0].reshape(-1), len(shape) - 2, len(shape))] if fits else []
        )


def _by_heads(t: Tracing, a: Labels, b: Labels) -> tuple[Labels, Labels, list[Component]]:
    """Take what varies over a batch of products, the heads, out of the operands' labels.

    Returns:
        The operands without it, and the heads as a component of the product.
    """
    vectors: list[Component] = []
    left: list[Labels] = []
    whole = True
    for labels in (a, b):
        batched = [part for part in labels.components if 0 in pattern(part)]
        vectors += [t.collapsed(part, (0,)) for part in batched]
        rest = tuple(part for part in labels.components if 0 not in pattern(part))
        left.append(Labels(labels.shape, rest))
        whole &= bool(batched)
    if not whole:
        t.pin(vectors, f"its other side has a batch of fixed size ({t.where()})")
        return left[0], left[1], []
    for other in vectors[1:]:
        t.atoms.tie(vectors[0], other)
    return left[0], left[1], vectors[:1]


def _product(t: Tracing, first: Value, second: Value, bias: Value | None) -> list[Component]:
    """Tie what is summed over; return the components of the product.

    Args:
        t: the tracing.
        first: `[..., n, k]`, or `[k]` against `[k, m]`.
        second: `[..., k, m]`.
        bias: what the same call adds, if it is a linear layer.
    """
    a, b = t.labels(first), t.labels(second)
    rank = len(a.shape)
    heads: list[Component] = []
    if t.heads and rank == 3 and a.shape[0] > 1:
        a, b, heads = _by_heads(t, a, b)
    left, right = _summed(t, a, rank - 1, rank - 2), _summed(t, b, rank - 2, rank - 1)
    if left is not None and right is not None:
        t.atoms.tie(left, right)
    for lonely in (left, right):
        if lonely is not None and (left is None or right is None):
            t.atoms.pin(lonely, f"its other side is fixed ({t.where()})")
    _read(t, (first, rank - 1, left), (second, rank - 2, right), bias)
    _written(t, first, rank - 2)
    _written(t, second, rank - 1)
    result: list[Component] = []
    for part in (*a.apart(rank - 1), *b.apart(rank - 2)):
        flat = t.collapsed(
            part, (rank - 2, rank - 1)
        )  # a batch is split for both operands or for none
        if pattern(flat):
            result.append(flat)
        else:
            t.pin([part], f"a batch of matrix products ({t.where()})")
    return [*heads, *result]


def _summed(t: Tracing, labels: Labels, dimension: int, other: int) -> torch.Tensor | None:
    """Return the atoms that are summed over, shape `[k]`; tied over batches and rows."""
    for part in labels.along(dimension):
        if part.shape[other] > 1:
            t.pin([part], f"rows and columns at once ({t.where()})")
    return t.joined(labels, dimension)


def _read(
    t: Tracing,
    left: tuple[Value, int, torch.Tensor | None],
    right: tuple[Value, int, torch.Tensor | None],
    bias: Value | None,
) -> None:
    """Note which weight reads which channels; two activations that meet are inexact to cut."""
    for (weight, at, _), (value, dimension, atoms) in ((right, left), (left, right)):
        axis = t.axis(weight, at)
        if axis is not None and atoms is not None:
            name = t.record.name(bias) if bias is not None else None
            t.readings.append(Reading(t.number, value, dimension, axis, name))
            return
    if left[2] is not None and not t.is_weight(left[0]) and not t.is_weight(right[0]):
        t.inexact.append((left[2], f"{MET} ({t.where()})"))
        sides = ((left[0], left[1]), (right[0], right[1]))
        t.meetings.append(Meeting(t.number, sides, left[2]))


def _written(t: Tracing, weight: Value, dimension: int) -> None:
    axis = t.axis(weight, dimension)
    if axis is not None:
        t.written.setdefault(axis, t.number)


RULES = {
    "mm": mm,
    "bmm": mm,
    "addmm": addmm,
    "_scaled_dot_product_flash_attention_for_cpu": attention,
    "_scaled_dot_product_fused_attention_overrideable": attention,
    "_scaled_dot_product_efficient_attention": attention,
    "_scaled_dot_product_flash_attention": attention,
    "_scaled_dot_product_cudnn_attention": attention,
}
