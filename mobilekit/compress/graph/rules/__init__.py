"""One small rule per family of operators: how channels pass through it, and what it ties.

A rule is a function of the tracing; it reads the labels of the present call's inputs and gives labels
to each of its outputs. `RULES` is the one place to add one.
"""

from collections.abc import Callable

from mobilekit.compress.graph.rules import (
    convolution,
    matrix,
    moving,
    norms,
    pointwise,
    reductions,
    spatial,
)
from mobilekit.compress.graph.tracing import Tracing

Rule = Callable[[Tracing], None]

RULES: dict[str, Rule] = {
    **convolution.RULES,
    **matrix.RULES,
    **moving.RULES,
    **norms.RULES,
    **pointwise.RULES,
    **reductions.RULES,
    **spatial.RULES,
}
"""By the operator's name without name space, overload and trailing underscore."""


def follow(tracing: Tracing) -> None:
    """Follow every call of a record; one without a rule pins what it touches."""
    for number, call in enumerate(tracing.record.calls):
        tracing.number = number
        name = call.name.rstrip("_") or call.name
        rule = RULES.get(name) or (pointwise.elementwise if pointwise.is_pointwise(call) else None)
        if rule is None:
            _unknown(tracing)
        else:
            rule(tracing)


def _unknown(tracing: Tracing) -> None:
    call = tracing.call
    touched = [part for value in call.inputs for part in tracing.labels(value).components]
    tracing.pin(touched, f"no rule for {tracing.where()}")
    if touched:
        tracing.unsupported[tracing.number] = tracing.where()
    for value in call.outputs:
        tracing.give(value)
