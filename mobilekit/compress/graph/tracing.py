"""What the rules say their findings to, while they follow the calls of a record one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilekit.compress.graph.atoms import Atoms, Axis
from mobilekit.compress.graph.labels import Component, Labels, along, compact, pattern
from mobilekit.compress.graph.record import Call, Record, Value

MET = "summed over in a product of activations"
"""Why a channel of a meeting is inexact."""


@dataclass(frozen=True)
class Reading:
    """A weight that reads channels: where a channel that dies is missed."""

    call: int
    """Number of the call in the record."""
    value: Value
    """The tensor whose channels are read."""
    dimension: int
    """Of that tensor."""
    axis: Axis
    """The weight's dimension that belongs to those channels, of one group of them."""
    bias: str | None
    """Name of the bias that the same call adds, if it adds one."""


@dataclass(frozen=True)
class Meeting:
    """Two activations whose product is summed over channels: a channel that is 0 on one side adds nothing."""

    call: int
    """Number of the call in the record."""
    sides: tuple[tuple[Value, int], tuple[Value, int]]
    """The two tensors, each with the dimension that is summed over."""
    atoms: Tensor
    """Along that dimension, shape `[n]`."""


@dataclass(frozen=True)
class Split:
    """A joint component: what survives of it must be a box, for a tensor has no ragged edges."""

    component: Component
    call: int


class Tracing:
    """Labels of every value so far, the ties between channels, and who reads and writes them."""

    def __init__(self, record: Record, *, heads: bool = False) -> None:
        self.record = record
        self.heads = heads
        """Whether attention loses whole heads, and not parts of each."""
        self.atoms = Atoms()
        self.written: dict[Axis, int] = {}
        """Weight dimensions that make channels, with the number of the call that does."""
        self.readings: list[Reading] = []
        self.splits: list[Split] = []
        self.inexact: list[tuple[Tensor, str]] = []
        """Channels whose removal changes other channels, and why."""
        self.meetings: list[Meeting] = []
        """Products of activations that sum over channels; those are inexact too, unless they are zero."""
        self.unsupported: dict[int, str] = {}
        """Calls without a rule."""
        self.number = 0
        """Of the call that is being followed."""
        self._labels: dict[int, Labels] = {}
        self._weights: set[int] = set()

    @property
    def call(self) -> Call:
        """The call that is being followed."""
        return self.record.calls[self.number]

    def labels(self, value: Value) -> Labels:
        """Return the labels of a value; a parameter has a component per dimension."""
        if value.index not in self._labels:
            shape, name = self.record.shape(value), self.record.name(value)
            parts: tuple[Component, ...] = ()
            if name is not None:
                self._weights.add(value.index)
                parts = tuple(
                    along(self.atoms.of_axis(Axis(name, d), size), d, len(shape))
                    for d, size in enumerate(shape)
                    if size > 1
                )
            self._labels[value.index] = Labels(shape, parts)
        return self._labels[value.index]

    def label_input(self, value: Value, axis: Axis) -> None:
        """Give an input channels along its second dimension."""
        shape = self.record.shape(value)
        atoms = self.atoms.of_axis(axis, shape[1])
        self._labels[value.index] = Labels(shape, (along(atoms, 1, len(shape)),))

    def is_weight(self, value: Value) -> bool:
        """Whether a value is made of parameters alone."""
        self.labels(value)
        return value.index in self._weights

    def give(self, value: Value, components: Sequence[Component] = ()) -> None:
        """Set the labels of an output; joint components become splits."""
        for component in components:
            if len(pattern(component)) > 1:
                self.splits.append(Split(component, self.number))
        self._labels[value.index] = Labels(self.record.shape(value), tuple(components))
        inputs = self.call.inputs
        if inputs and all(self.is_weight(one) for one in inputs):
            self._weights.add(value.index)

    def axis(self, value: Value, dimension: int) -> Axis | None:
        """Return the parameter dimension that a dimension of a weight is, if it is one whole."""
        found = self.labels(value).along(dimension) if self.is_weight(value) else ()
        if len(found) != 1 or pattern(found[0]) != (dimension,):
            return None
        return self.atoms.owner(found[0].reshape(-1))

    def pin(self, components: Sequence[Component], why: str) -> None:
        """Let everything in these components stay."""
        for component in components:
            self.atoms.pin(component.reshape(-1), why)

    def where(self) -> str:
        """Say which line makes the present call: `addmm at net.py:12`."""
        call = self.call
        place = call.source or call.module
        return f"{call.name} at {place}" if place else call.name

    def vector(self, labels: Labels, dimension: int, why: str) -> Tensor | None:
        """Return the atoms along a dimension, shape `[size]`, tied over all others; None if none vary.

        Components that vary along other dimensions only are pinned for the reason given.
        """
        self.pin(labels.apart(dimension), why)
        return self.joined(labels, dimension)

    def joined(self, labels: Labels, dimension: int) -> Tensor | None:
        """Return the atoms along a dimension, shape `[size]`; joint components are tied over the rest."""
        vectors = [self.collapsed(part, (dimension,)) for part in labels.along(dimension)]
        for other in vectors[1:]:
            self.atoms.tie(vectors[0], other)
        return vectors[0].reshape(-1) if vectors else None

    def collapsed(self, component: Component, keep: Sequence[int]) -> Component:
        """Tie a component over all dimensions but some, and return it without the others."""
        result = component
        for dimension, size in enumerate(component.shape):
            if size > 1 and dimension not in keep:
                first = result.narrow(dimension, 0, 1)
                self.atoms.tie(result, first)
                result = first
        return compact(result)

    def combined(self, parts: Sequence[Labels], shape: tuple[int, ...]) -> list[Component]:
        """Return the components of an element-wise result, with broadcasting.

        Equal patterns are tied. An operand that has its own extent along a dimension and no component
        there keeps all of it, and so must the others.
        """
        rank = len(shape)
        aligned = [
            (
                (1,) * (rank - len(labels.shape)) + labels.shape,
                [_aligned(c, rank) for c in labels.components],
            )
            for labels in parts
        ]
        result: list[Component] = []
        for number, (_, components) in enumerate(aligned):
            for component in components:
                others = [other for index, other in enumerate(aligned) if index != number]
                if self._agrees(component, others):
                    self._join(result, component)
        return result

    def _agrees(
        self, component: Component, others: Sequence[tuple[tuple[int, ...], list[Component]]]
    ) -> bool:
        varies = set(pattern(component))
        for extent, components in others:
            along_it = varies & {d for d, size in enumerate(extent) if size > 1}
            met = [other for other in components if set(pattern(other)) & varies]
            if along_it and not met:
                self.atoms.pin(
                    component.reshape(-1), f"meets a tensor of fixed size ({self.where()})"
                )
                return False
        return True

    def _join(self, result: list[Component], component: Component) -> None:
        for index, other in enumerate(result):
            if set(pattern(other)) & set(pattern(component)):
                self.atoms.tie(other, component)
                if len(pattern(component)) > len(pattern(other)):
                    result[index] = component
                return
        result.append(component)


def _aligned(component: Component, rank: int) -> Component:
    return component.reshape((1,) * (rank - component.ndim) + tuple(component.shape))


def same(first: Tensor, second: Tensor) -> bool:
    """Whether two arrays of atoms are equal, shape and all."""
    return first.shape == second.shape and bool(torch.equal(first, second))
