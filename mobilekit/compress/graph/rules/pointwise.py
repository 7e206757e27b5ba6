"""Element by element, with broadcasting: activations, sums, products, gates."""

import torch

from mobilekit.compress.graph.record import Call
from mobilekit.compress.graph.tracing import Tracing


def is_pointwise(call: Call) -> bool:
    """Whether PyTorch itself says that an operator works element by element."""
    return torch.Tag.pointwise in call.operator.tags


def elementwise(t: Tracing) -> None:
    """Tie the operands' channels where they have the same extent."""
    labels = [t.labels(value) for value in t.call.inputs]
    for value in t.call.outputs:
        t.give(value, t.combined(labels, t.record.shape(value)))


def unchanged(t: Tracing) -> None:
    """Pass the first operand's channels on."""
    parts = t.labels(t.call.inputs[0]).components
    for value in t.call.outputs:
        t.give(value, parts)


def made(t: Tracing) -> None:
    """A tensor of constants: every element stays."""
    for value in t.call.outputs:
        t.give(value)


def glu(t: Tracing) -> None:
    """Tie the two halves of the dimension that is halved."""
    labels = t.labels(t.call.inputs[0])
    dimension = t.call.argument("dim") % len(labels.shape)
    half = labels.shape[dimension] // 2
    kept = list(labels.apart(dimension))
    for part in labels.along(dimension):
        first, second = part.narrow(dimension, 0, half), part.narrow(dimension, half, half)
        t.atoms.tie(first, second)
        kept.append(first)
    t.give(t.call.outputs[0], kept)


RULES = {
    "_to_copy": unchanged,
    "alias": unchanged,
    "lift_fresh": unchanged,
    "lift_fresh_copy": unchanged,
    "native_dropout": unchanged,
    "_prelu_kernel": elementwise,
    "hardswish": elementwise,
    "hardtanh": elementwise,
    "glu": glu,
    **dict.fromkeys(
        (
            "arange",
            "empty",
            "empty_like",
            "eye",
            "full",
            "full_like",
            "linspace",
            "new_empty",
            "new_full",
            "new_ones",
            "new_zeros",
            "ones",
            "ones_like",
            "scalar_tensor",
            "zeros",
            "zeros_like",
        ),
        made,
    ),
}
