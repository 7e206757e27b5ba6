"""The channel graph of a network: which channels there are, what makes, reads and ties them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis, Channels
from mobilekit.compress.graph.labels import Component, pattern
from mobilekit.compress.graph.record import Call, Record, Value, record
from mobilekit.compress.graph.rules import follow
from mobilekit.compress.graph.tracing import MET, Meeting, Reading, Tracing
from mobilekit.core.errors import ModelError

OUTPUT = "an output of the network"
INPUT = "input"
"""Inputs whose channels can go are called `input 0`, `input 1`, ... by their positions."""


@dataclass(frozen=True)
class Group:
    """Channels that the same weights make: one layer's, or those of all layers of a residual sum."""

    name: str
    """Of the first layer that makes them."""
    channels: Tensor
    """Numbers of the channels, in the order of the first layer's filters, shape `[n]`."""
    writers: tuple[Axis, ...]
    """Weight dimensions that make them; none for those of an input."""
    pins: tuple[str, ...]
    """Why they must stay; empty for channels that can be removed."""
    inexact: tuple[str, ...]
    """Why the removal of one changes the others."""


class ChannelGraph:
    """Channels of a network, found by following one recorded run.

    Args:
        network: any module, in any mode; it is left as found.
        inputs: examples of its positional inputs; only shapes and types matter.
        allow_head: let the channels of the network's outputs go too.
        free_inputs: let the channels of the inputs (their second dimension) go too.
        heads: let whole heads of multi-head attention go, and not parts of each.

    Raises:
        ModelError: the network cannot be traced.
    """

    def __init__(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        *,
        allow_head: bool = False,
        free_inputs: bool = False,
        heads: bool = False,
    ) -> None:
        self.record: Record = record(network, inputs)
        self._tracing = Tracing(self.record, heads=heads)
        self._yielded: Counter[int] = Counter()
        self.inputs: dict[int, Axis] = self._free(inputs) if free_inputs else {}
        follow(self._tracing)
        if not allow_head:
            for value in self.record.outputs:
                self._tracing.pin(self._tracing.labels(value).components, OUTPUT)
        self._resolve()

    def _free(self, inputs: Sequence[Tensor]) -> dict[int, Axis]:
        """Label the channels of the inputs that have some, by the inputs' positions."""
        found = {}
        for position, (value, tensor) in enumerate(zip(self.record.inputs, inputs, strict=True)):
            if tensor.is_floating_point() and tensor.ndim >= 2 and tensor.shape[1] > 1:
                found[position] = Axis(f"{INPUT} {position}", 1)
                self._tracing.label_input(value, found[position])
        return found

    def yield_to(self, number: int) -> None:
        """Give in to numbers that the code has for a call, and for all of the same line; resolve again.

        Equal pieces of a tensor stay equal: their channels are tied, piece by piece. Elsewhere every
        channel that passes through the call stays; if that does not help, since the number comes from
        another tensor's shape, all that pass through its module, and then through the module around it.

        Raises:
            ModelError: all that has been tried.
        """
        call = self.record.calls[number]
        place = f"{call.name} at {call.source or call.module}"
        alike = [
            n
            for n, one in enumerate(self.record.calls)
            if n == number or (call.source and (one.name, one.source) == (call.name, call.source))
        ]
        why = f"its size is a number in the code ({place})"
        level = self._yielded[number]
        self._yielded.update(alike)
        if level == 0 and self._equal_pieces(call):
            self._tie_pieces([self.record.calls[n] for n in alike])
        elif level <= 1:
            self._pin_calls(alike, why)
        else:
            path = call.module.split(".")
            if level - 2 > len(path):
                raise ModelError(
                    f"{place}: the code has numbers of its own that no pruning can follow"
                )
            prefix = ".".join(path[: len(path) + 2 - level])
            inside = [n for n, one in enumerate(self.record.calls) if _within(one.module, prefix)]
            self._pin_calls(inside, why)

    def _equal_pieces(self, call: Call) -> bool:
        shapes = {self.record.shape(value) for value in call.outputs}
        return call.name in {"split", "chunk", "split_with_sizes"} and len(shapes) == 1

    def _tie_pieces(self, calls: Sequence[Call]) -> None:
        for call in filter(self._equal_pieces, calls):
            first, *others = (self._tracing.labels(value).components for value in call.outputs)
            for other in others:
                for one, two in zip(first, other, strict=True):
                    self._tracing.atoms.tie(one, two)
        self._resolve()

    def _pin_calls(self, numbers: Sequence[int], why: str) -> None:
        for number in numbers:
            call = self.record.calls[number]
            for value in (*call.inputs, *call.outputs):
                if not self._tracing.is_weight(value):
                    self._tracing.pin(self._tracing.labels(value).components, why)
        self._resolve()

    def pin_parameter(self, name: str, why: str) -> None:
        """Let every channel of a parameter stay, and resolve again."""
        for axis in self.axes_of(name):
            self._tracing.pin([self.atoms(axis)], why)
        self._resolve()

    @property
    def readings(self) -> list[Reading]:
        """Weights that read channels."""
        return self._tracing.readings

    @property
    def unsupported(self) -> dict[int, str]:
        """Calls without a rule, by number."""
        return self._tracing.unsupported

    def atoms(self, axis: Axis) -> Tensor:
        """Return the atoms of a parameter's dimension, shape `[size]`."""
        return self._tracing.atoms.of_axis(axis, self._tracing.atoms.size(axis))

    def channels_of(self, axis: Axis) -> Tensor:
        """Return the channel of each index of a parameter's dimension, shape `[size]`."""
        return self.channels.of(self.atoms(axis))

    def components(self, value: Value) -> tuple[Component, ...]:
        """Return which channel each element of a value belongs to, by component."""
        return tuple(self.channels.of(part) for part in self._tracing.labels(value).components)

    @cached_property
    def _axes(self) -> dict[str, tuple[Axis, ...]]:
        found: dict[str, list[Axis]] = {}
        for axis in self._tracing.atoms.axes:
            found.setdefault(axis.parameter, []).append(axis)
        return {name: tuple(axes) for name, axes in found.items()}

    def axes_of(self, parameter: str) -> tuple[Axis, ...]:
        """Return the dimensions of a parameter that have channels."""
        return self._axes.get(parameter, ())

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters and buffers that a run reads."""
        return tuple(name for name in self._axes if name not in self._input_names)

    @property
    def _input_names(self) -> set[str]:
        return {axis.parameter for axis in self.inputs.values()}

    def call_of(self, writer: Axis) -> Call:
        """Return the call in which a weight makes its channels."""
        return self.record.calls[self._tracing.written[writer]]

    @property
    def writers(self) -> tuple[Axis, ...]:
        """Weight dimensions that make channels, in the order of the run."""
        return tuple(self._tracing.written)

    def survivors(self, value: Value, removed: Tensor) -> list[Tensor]:
        """Return which indices of each dimension of a value remain.

        Args:
            value: of the record.
            removed: whether each channel goes, shape `[channels]`.

        Returns:
            A mask of shape `[size]` per dimension.
        """
        shape = self.record.shape(value)
        masks = [torch.ones(size, dtype=torch.bool) for size in shape]
        for part in self.components(value):
            alive = ~removed[part]
            for dimension in pattern(part):
                others = [d for d in range(part.ndim) if d != dimension]
                masks[dimension] &= alive.amax(others) if others else alive
        return masks

    def _resolve(self) -> None:
        atoms = self._tracing.atoms
        while True:
            self.channels: Channels = atoms.resolve()
            ragged = [s for s in self._tracing.splits if not _is_box(self.channels.of(s.component))]
            if not ragged:
                break
            for split in ragged:
                last = pattern(split.component)[-1]
                self._tracing.collapsed(split.component, (last,))
        self.__dict__.pop("groups", None)
        self.__dict__.pop("input_groups", None)

    @property
    def inexact_channels(self) -> Tensor:
        """Numbers of the channels whose removal changes others, shape `[n]`."""
        found = [self.channels.of(atoms.reshape(-1)) for atoms, _ in self._tracing.inexact]
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.long)

    @property
    def meetings(self) -> list[Meeting]:
        """Products of activations that sum over channels."""
        return self._tracing.meetings

    @property
    def otherwise_inexact(self) -> Tensor:
        """Numbers of the channels that are inexact for another reason than a meeting, shape `[n]`."""
        found = [
            self.channels.of(atoms.reshape(-1))
            for atoms, why in self._tracing.inexact
            if not why.startswith(MET)
        ]
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.long)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All groups, in the order of the run; what is pinned is apart from what is free."""
        pinned = self.channels.pinned
        inexact = torch.zeros_like(pinned)
        inexact[self.inexact_channels] = True
        return tuple(
            self._group(axes, part, inexact)
            for axes, members in self._members()
            for part in (members[~pinned[members]], members[pinned[members]])
            if len(part)
        )

    @cached_property
    def input_groups(self) -> tuple[Group, ...]:
        """Groups of channels that come from an input and that no weight makes."""
        made = torch.zeros(self.channels.count, dtype=torch.bool)
        for axis in self.writers:
            made[self.channels_of(axis)] = True
        inexact = torch.zeros_like(made)
        inexact[self.inexact_channels] = True
        found = []
        for axis in self.inputs.values():
            members = torch.unique(self.channels_of(axis))
            members = members[~made[members]]
            for part in (
                members[~self.channels.pinned[members]],
                members[self.channels.pinned[members]],
            ):
                if len(part):
                    group = self._group((axis,), part, inexact)
                    found.append(replace(group, name=axis.parameter, writers=()))
        return tuple(found)

    def _group(self, axes: tuple[Axis, ...], members: Tensor, inexact: Tensor) -> Group:
        whys: dict[str, None] = {}
        if bool(inexact[members].any()):
            wanted = set(members.tolist())
            for atoms, why in self._tracing.inexact:
                if wanted & set(self.channels.of(atoms.reshape(-1)).tolist()):
                    whys[why] = None
        stays = bool(self.channels.pinned[members].any())
        return Group(
            name=axes[0].parameter.rpartition(".")[0] or axes[0].parameter,
            channels=members,
            writers=axes,
            pins=self.channels.reasons(members.tolist()) if stays else (),
            inexact=tuple(whys),
        )

    def _members(self) -> list[tuple[tuple[Axis, ...], Tensor]]:
        """Return the channels of each set of makers, sorted, in the order of the run."""
        if not self.writers:
            return []
        sets = torch.zeros(self.channels.count, dtype=torch.long)
        makers: list[tuple[Axis, ...]] = [()]
        made = [self.channels_of(axis) for axis in self.writers]
        for axis, channels in zip(self.writers, made, strict=True):
            before = sets[channels]
            number = {one: len(makers) + n for n, one in enumerate(sorted(set(before.tolist())))}
            sets[channels] = torch.tensor([number[one] for one in before.tolist()])
            makers += [(*makers[one], axis) for one in number]
        ordered = torch.cat([torch.sort(sets[channels]).values for channels in made])
        everything = torch.sort(torch.cat(made)).values
        everything = torch.unique_consecutive(everything)
        return [
            (makers[one], everything[sets[everything] == one])
            for one in dict.fromkeys(ordered.tolist())
        ]


def _within(module: str, prefix: str) -> bool:
    return not prefix or module == prefix or module.startswith(f"{prefix}.")


def _is_box(component: Component) -> bool:
    """Whether any choice of channels leaves a box: all but one dimension agree."""
    varying = pattern(component)
    for kept in varying:
        first = component
        for dimension in varying:
            if dimension != kept:
                first = first.narrow(dimension, 0, 1)
        if bool((component == first).all()):
            return True
    return False
