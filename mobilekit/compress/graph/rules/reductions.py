"""Operators along a dimension: means, maxima, softmax, sorting."""

from collections.abc import Sequence
from typing import Any

from mobilekit.compress.graph.labels import Component, pattern
from mobilekit.compress.graph.tracing import Tracing


def reduced(t: Tracing) -> None:
    """Reduce over dimensions; a channel that is among many in a mean or maximum stays."""
    call = t.call
    labels = t.labels(call.inputs[0])
    rank = len(labels.shape)
    over = _dimensions(call.argument("dim") if _has(t, "dim") else None, rank)
    kept = _without(t, labels.components, over)
    for value in call.outputs:
        keeps = len(t.record.shape(value)) == rank
        t.give(value, [part if keeps else _dropped(part, over) for part in kept])


def along_dimension(t: Tracing) -> None:
    """Work along a dimension and keep the shape, or the rank."""
    call = t.call
    labels = t.labels(call.inputs[0])
    over = _dimensions(call.argument("dim"), len(labels.shape))
    kept = _without(t, labels.components, over)
    for value in call.outputs:
        t.give(value, kept)


def _without(t: Tracing, components: Sequence[Component], over: tuple[int, ...]) -> list[Component]:
    found = []
    for part in components:
        varies = set(pattern(part))
        if not varies & set(over):
            found.append(part)
        elif varies <= set(over):
            t.pin([part], f"works over channels ({t.where()})")
        else:
            found.append(t.collapsed(part, tuple(varies - set(over))))
    return found


def _dropped(part: Component, over: tuple[int, ...]) -> Component:
    return part.reshape([size for d, size in enumerate(part.shape) if d not in over])


def _dimensions(given: Any, rank: int) -> tuple[int, ...]:
    if given is None or given == []:
        return tuple(range(rank))
    listed = given if isinstance(given, (list, tuple)) else [given]
    return tuple(sorted(int(d) % max(rank, 1) for d in listed))


def _has(t: Tracing, name: str) -> bool:
    return any(a.name == name for a in t.call.operator._schema.arguments)  # noqa: SLF001


RULES = {
    **dict.fromkeys(
        (
            "all",
            "amax",
            "amin",
            "any",
            "argmax",
            "argmin",
            "linalg_vector_norm",
            "logsumexp",
            "max",
            "mean",
            "min",
            "norm",
            "prod",
            "std",
            "sum",
            "var",
            "var_mean",
        ),
        reduced,
    ),
    **dict.fromkeys(
        ("_log_softmax", "_softmax", "cummax", "cumprod", "cumsum", "sort", "topk"), along_dimension
    ),
}
