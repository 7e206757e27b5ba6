"""What a rewrite is: which operators, for which formats, and the module that takes their place."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

Operand = Any
USED = "(used)"
"""Key under which a rule finds which of the call's several outputs are read; no argument's name."""


class Refused(Exception):  # noqa: N818  a verdict on an operator, not an error of the program
    """The operator has no exact replacement; the text says why."""


@dataclass(frozen=True)
class Rule:
    """Replace `operators` in files of `formats` by what `build` gives.

    `build` takes the call's arguments by name, and returns a module that takes the tensors among
    them in order, or None where the trap does not spring. It may raise `Refused`.
    """

    trap: str
    formats: frozenset[str]
    operators: tuple[str, ...]
    build: Callable[[dict[str, Operand]], nn.Module | None]


@dataclass(frozen=True)
class Check:
    """Look at every node of files of `formats`; `check` may raise `Refused`."""

    trap: str
    formats: frozenset[str]
    check: Callable[[fx.Node], None]


def arguments_of(node: fx.Node) -> dict[str, Operand]:
    """Return a call's arguments by the names of the operator's schema; nodes become their values.

    A tensor argument is given as its fake value, which has shape and dtype and no content.
    """
    called = node.target
    if not isinstance(called, torch._ops.OpOverload):  # noqa: SLF001
        return {}
    found: dict[str, Operand] = {USED: _outputs_read(node)}
    for index, argument in enumerate(called._schema.arguments):  # noqa: SLF001
        value = argument.default_value if argument.has_default_value() else None
        if index < len(node.args):
            value = node.args[index]
        value = node.kwargs.get(argument.name, value)
        found[argument.name] = value.meta["val"] if isinstance(value, fx.Node) else value
    return found


def _outputs_read(node: fx.Node) -> frozenset[int]:
    return frozenset(
        int(user.args[1])  # type: ignore[arg-type]
        for user in node.users
        if user.target is operator.getitem and user.users
    )


def tensor_nodes(node: fx.Node) -> tuple[fx.Node, ...]:
    """Return the nodes among a call's arguments, in schema order."""
    return tuple(node.all_input_nodes)


def writes_in_place(node: fx.Node) -> bool:
    """Say whether a call overwrites its first tensor, as `aten.celu_` does."""
    called = node.target
    return isinstance(called, torch._ops.OpOverload) and called._schema.is_mutable  # noqa: SLF001


def readers_after(node: fx.Node, source: fx.Node) -> tuple[fx.Node, ...]:
    """Return the nodes behind `node` that read `source`."""
    return tuple(user for user in source.users if user > node)


def check_in_place(node: fx.Node) -> None:
    """Refuse a call that overwrites a part of another tensor, or one with other views.

    Raises:
        Refused: its replacement could not be seen by those who read the other tensor.
    """
    if not writes_in_place(node):
        return
    source = node.all_input_nodes[0]
    views = [source, *(user for user in source.users if user is not node)]
    if source.op == "placeholder" or any(_is_view(one) for one in views):
        raise Refused("overwrites an input or a view of another tensor; write it without inplace")


def _is_view(node: fx.Node) -> bool:
    called = node.target
    if not isinstance(called, torch._ops.OpOverload) or writes_in_place(node):  # noqa: SLF001
        return False
    return any(found.alias_info is not None for found in called._schema.returns)  # noqa: SLF001
