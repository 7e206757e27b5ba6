"""Ranges of activations that quantization-aware training left, in the place of calibrated ones.

A layer's range is that of the tensor it reads. Where this tensor is moved there from another (padded,
reshaped, the largest of neighbours), the two have one scale in the file, so the other gets the range too.

Converters may fold what comes before a layer into its weights, such as the normalization of pixels. Then the
layer reads other values in the file than in training, by which it is told: its calibrated range is far away.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from mobilekit.core.quantization import Form, parse
from mobilekit.core.quantization_plan import QuantizationPlan, Range

Ends = tuple[float, float]
NAMED = 3
"""Layers that a note names; the rest it counts."""
FACTOR = 4.0
"""Widths of the two ranges of one tensor differ by less."""
SHARE = 0.25
"""Ends of the two ranges of the file's own inputs differ by less, in shares of the width."""


class Read(NamedTuple):
    """What a layer reads, and the range that it was trained with."""

    layer: str
    tensor: str
    range: Range


@dataclass(frozen=True)
class Node:
    """An operator: which tensors it takes and makes."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    moves: bool
    """What it makes are values that it takes, and zeros."""


def planned(
    plan: QuantizationPlan | None, layers: Iterable[tuple[str, Form | None]]
) -> list[Range | None]:
    """Return what each layer was trained to read; None where its form has other integers, or none.

    Args:
        plan: of the network.
        layers: name in the network, and form in the file.
    """
    known = {one.layer: one for one in plan.layers} if plan is not None else {}
    found = []
    for name, form in layers:
        one = known.get(name)
        alike = (
            one is not None
            and form is not None
            and form.calibrated
            and parse(one.form).activations == form.activations
        )
        found.append(one.input if one is not None and alike else None)
    return found


def refused(
    read: Sequence[Read],
    nodes: Sequence[Node],
    inputs: AbstractSet[str],
    calibrated: Callable[[str], Ends],
) -> dict[str, str]:
    """Return the layers that read other values in the file than in training, each with the reason.

    Args:
        read: what is read, layer by layer.
        nodes: all operators.
        inputs: tensors that the file takes.
        calibrated: tensor → its range on the calibration inputs.
    """
    makers = _makers(nodes)
    found = {}
    for layer, tensor, range_ in read:
        low, high = calibrated(tensor)
        width = range_.high - range_.low
        ratio = max(high - low, width / FACTOR**2) / width
        far = not 1 / FACTOR < ratio < FACTOR
        if not inputs.isdisjoint(_behind(tensor, makers)):
            far |= max(abs(low - range_.low), abs(high - range_.high)) > SHARE * width
        if far:
            found[layer] = (
                f"the file gives it {low:.3g} to {high:.3g}, training gave it {range_.low:.3g} to"
                f" {range_.high:.3g}"
            )
    return found


def spread(
    read: Sequence[Read],
    nodes: Sequence[Node],
    calibrated: Callable[[str], Ends],
    *,
    tied: bool = True,
) -> dict[str, Ends]:
    """Return the ranges of tensors whose layers were trained with one, and of those they are moved from.

    Tensors that a move connects share the widest of their ranges. One that is only moved from, and that
    an operator without a trained range takes too, adds what it was calibrated to.

    Args:
        read: what is read, layer by layer.
        nodes: all operators.
        calibrated: tensor → its range on the calibration inputs.
        tied: the format wants one scale on both sides of a move; otherwise what a layer reads keeps the
            widest of its own ranges alone.

    >>> nodes = [Node(("image",), ("wide",), True), Node(("wide",), ("out",), False)]
    >>> spread([Read("stem", "wide", Range(-1.0, 2.0))], nodes, lambda name: (0.0, 9.0))
    {'wide': (-1.0, 2.0), 'image': (-1.0, 2.0)}
    """
    direct = dict.fromkeys(one.tensor for one in read)
    makers = _makers(nodes)
    group: dict[str, int] = {}
    for number, name in enumerate(direct):
        reached = _behind(name, makers)
        merged = {group[one] for one in reached if one in group}
        group |= {one: number for one, at in group.items() if at in merged}
        group |= dict.fromkeys([name, *sorted(reached - {name})], number)
    ends: dict[int, list[Ends]] = {}
    for _, name, range_ in read:
        ends.setdefault(group[name], []).append((range_.low, range_.high))
    for name in _taken_otherwise(group.keys() - direct.keys(), nodes, group):
        ends[group[name]].append(calibrated(name))
    own: dict[str, list[Ends]] = {}
    for _, name, range_ in read if not tied else ():
        own.setdefault(name, []).append((range_.low, range_.high))
    return {name: _widest(own.get(name, ends[at])) for name, at in group.items()}


def said(used: Collection[str], other: Mapping[str, str]) -> tuple[str, ...]:
    """Say of which layers the ranges are those of training.

    Args:
        used: layers of which they are.
        other: layer → why they are not.
    """
    notes = []
    if used:
        plural = "s" if len(used) > 1 else ""
        notes.append(
            f"what {len(used)} layer{plural} read{'' if plural else 's'} has the range of training"
            " (quantize_aware), the rest that of calibration"
        )
    reasons: dict[str, list[str]] = {}
    for name, reason in other.items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        notes.append(f"{', '.join(names[:NAMED])}{more}: not the range of training: {reason}")
    return tuple(notes)


def _widest(ends: Sequence[Ends]) -> Ends:
    return min(low for low, _ in ends), max(high for _, high in ends)


def _makers(nodes: Sequence[Node]) -> dict[str, Node]:
    return {output: node for node in nodes if node.moves for output in node.outputs}


def _behind(name: str, makers: Mapping[str, Node]) -> set[str]:
    """Return a tensor and all that it is moved from."""
    found, rest = {name}, [name]
    while rest:
        one = rest.pop()
        new = set(makers[one].inputs) - found if one in makers else set()
        found |= new
        rest += new
    return found


def _taken_otherwise(
    names: Collection[str], nodes: Sequence[Node], group: Mapping[str, int]
) -> list[str]:
    """Return the tensors that an operator takes which neither moves them within nor was trained."""
    return [
        name
        for name in sorted(names)
        if any(
            name in node.inputs and not (node.moves and any(one in group for one in node.outputs))
            for node in nodes
        )
    ]
