"""Which call makes a value, which calls use it, and where its channels are after it was moved."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from mobilekit.compress.graph.record import Call, Record, Value

_SAME = frozenset({"clone", "detach", "alias", "contiguous", "lift_fresh"})
_RESHAPED = frozenset({"view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze"})
_PADDED = frozenset(
    f"{kind}_pad{dims}d" for kind in ("reflection", "replication") for dims in (1, 2, 3)
)
"""Padding with values of the same channel, which a scale and a shift per channel do not mind."""
MOVES = _SAME | _RESHAPED | _PADDED | {"transpose", "t", "permute"}
"""Calls that only move or copy entries."""


@dataclass(frozen=True)
class Channels:
    """Where the channels of a tensor are: entry `i` of dimension `axis` is channel `i // repeat`."""

    axis: int = 1
    repeat: int = 1


class Flow:
    """The calls of a recorded run, with a way from each value to its maker and its users."""

    def __init__(self, network: nn.Module, record: Record) -> None:
        self.record = record
        self.calls = record.calls
        self.modules: dict[str, nn.Module] = dict(network.named_modules(remove_duplicate=False))
        self._maker: dict[int, int] = {}
        self._users: dict[int, list[int]] = defaultdict(list)
        self._storage: dict[int, int] = {}
        for position, call in enumerate(record.calls):
            for value in call.inputs:
                self._users[value.index].append(position)
            for value in call.outputs:
                self._maker[value.index] = position
            self._follow_storage(call)
        self._returned = {value.index for value in record.outputs}

    def maker(self, value: Value) -> int | None:
        """Return the position of the call that makes a value; None for inputs and weights."""
        return self._maker.get(value.index)

    def users(self, value: Value) -> list[int]:
        """Return the positions of the calls that take a value, one per argument."""
        return self._users.get(value.index, [])

    def returned(self, value: Value) -> bool:
        """Whether a value is an output of the network."""
        return value.index in self._returned

    def owner(self, call: Call) -> nn.Module:
        """Return the module whose `forward` makes a call."""
        return self.modules[call.module]

    def path(self, module: nn.Module) -> str:
        """Return the first path of a module of this network."""
        return next(path for path, found in self.modules.items() if found is module)

    def holder(self, value: object) -> tuple[nn.Module, str] | None:
        """Return the module that a parameter or buffer belongs to, and its name there."""
        name = self.record.name(value) if isinstance(value, Value) else None
        if name is None:
            return None
        path, _, attribute = name.rpartition(".")
        return self.modules[path], attribute

    def written(self, value: Value, start: int, stop: int) -> bool:
        """Whether a call between two positions writes into the memory of a value."""
        memory = self._memory(value.index)
        return any(
            self._memory(target.index) == memory
            for call in self.calls[start + 1 : stop]
            for target in _overwritten(call)
        )

    def _follow_storage(self, call: Call) -> None:
        """Note which outputs lie in the memory of an input: views and results of in-place calls."""
        schema = call.operator._schema  # noqa: SLF001
        shared = [argument.name for argument in schema.arguments if argument.alias_info is not None]
        sources = [call.argument(name) for name in shared]
        if len(sources) == 1 and isinstance(sources[0], Value):
            for value in call.outputs:
                self._storage[value.index] = sources[0].index

    def _memory(self, index: int) -> int:
        while index in self._storage:
            index = self._storage[index]
        return index


def moved(call: Call, shape: Sequence[int], result: Sequence[int], at: Channels) -> Channels | None:
    """Follow channels through a call that only moves or copies entries, and never mixes channels.

    Args:
        call: any call with one tensor in and one out.
        shape: of its input.
        result: the shape of its output.
        at: where the channels of the input are.

    Returns:
        Where the channels of the output are; None if the call does more than move, or splits them.
    """
    name = call.name
    if name in _SAME or name in _PADDED:
        return at
    if name in _RESHAPED:
        return _reshaped(shape, result, at)
    order = list(range(len(shape)))
    if name in {"transpose", "t"}:
        one, two = (
            (call.argument("dim0"), call.argument("dim1")) if name == "transpose" else (0, -1)
        )
        order[one], order[two] = order[two], order[one]
        return Channels(order.index(at.axis), at.repeat)
    if name == "permute":
        order = [dim % len(shape) for dim in call.argument("dims")]
        return Channels(order.index(at.axis), at.repeat)
    return None


def _reshaped(shape: Sequence[int], result: Sequence[int], at: Channels) -> Channels | None:
    """Find the dimension that begins where the channels began; it may have swallowed those after."""
    before, size = math.prod(shape[: at.axis]), shape[at.axis]
    for axis, length in enumerate(result):
        if math.prod(result[:axis]) == before and length % size == 0:
            return Channels(axis, at.repeat * (length // size))
    return None


def _overwritten(call: Call) -> list[Value]:
    found = []
    for argument in call.operator._schema.arguments:  # noqa: SLF001
        if argument.alias_info is not None and argument.alias_info.is_write:
            target = call.argument(argument.name)
            found += [target] if isinstance(target, Value) else []
    return found
