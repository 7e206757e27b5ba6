"""Normalization: by channel (batch, instance), or over channels (layer, group)."""

from torch import Tensor

from mobilekit.compress.graph.labels import along, pattern
from mobilekit.compress.graph.record import Value
from mobilekit.compress.graph.tracing import Tracing


def batch_norm(t: Tracing) -> None:
    """Tie each channel to its statistics, scale and shift."""
    x = t.call.inputs[0]
    labels = t.labels(x)
    channels = t.vector(labels, 1, f"normalized over ({t.where()})")
    _affine(t, t.call.inputs[1:], channels)
    _outputs(t, channels)


def group_norm(t: Tracing) -> None:
    """Keep the groups equal; within one, each channel's removal changes the others."""
    x, groups = t.call.argument("input"), t.call.argument("group")
    labels = t.labels(x)
    channels = t.vector(labels, 1, f"normalized over ({t.where()})")
    _affine(t, [v for v in t.call.inputs if v != x], channels)
    if channels is not None and groups != len(channels):
        rows = channels.reshape(groups, -1)
        t.atoms.tie(rows, rows[:1])
        t.inexact.append((channels, f"normalized over channels ({t.where()})"))
    _outputs(t, channels)


def layer_norm(t: Tracing) -> None:
    """Tie channels to scale and shift; each one's removal changes the others."""
    x, over = t.call.argument("input"), len(t.call.argument("normalized_shape"))
    labels = t.labels(x)
    rank = len(labels.shape)
    first, *others = t.call.outputs
    parts = [labels, *(t.labels(value) for value in t.call.inputs if value != x)]
    made = t.combined(parts, labels.shape)
    for part in made:
        if any(dimension >= rank - over for dimension in pattern(part)):
            t.inexact.append((part.reshape(-1), f"normalized over channels ({t.where()})"))
    t.give(first, made)
    for value in others:
        t.give(value)


def _outputs(t: Tracing, channels: Tensor | None) -> None:
    """Give the result, and the statistics where there is one per channel."""
    for value in t.call.outputs:
        shape = t.record.shape(value)
        rank = len(shape)
        own = rank - 1 if rank <= 2 and value != t.call.outputs[0] else 1
        if channels is None or rank <= own or shape[own] != len(channels):
            t.give(value)
        else:
            t.give(value, [along(channels, own, rank)])


def _affine(t: Tracing, values: "tuple[Value, ...] | list[Value]", channels: Tensor | None) -> None:
    for value in values:
        own = t.joined(t.labels(value), 0)
        if own is None:
            continue
        if channels is None:
            t.atoms.pin(own, f"its input is fixed ({t.where()})")
        else:
            t.atoms.tie(channels, own)


RULES = {
    "native_batch_norm": batch_norm,
    "_native_batch_norm_legit": batch_norm,
    "_native_batch_norm_legit_no_training": batch_norm,
    "cudnn_batch_norm": batch_norm,
    "native_group_norm": group_norm,
    "native_layer_norm": layer_norm,
}
