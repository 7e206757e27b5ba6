"""Which module's call makes which operators: a program's flat list of calls, folded back into modules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.export import ExportedProgram
from torch.fx import Node

_TIMES = re.compile(r"@\d+")


@dataclass
class Region:
    """One call of one module."""

    path: str
    """Of the module; empty for the network."""
    key: str
    """Of the call: a module that is called twice has two."""
    items: "list[Node | Region]" = field(default_factory=list)
    """Operators and calls of other modules, in their order."""

    def nodes(self) -> Iterator[Node]:
        """Go through all operators, those of inner calls included."""
        for item in self.items:
            if isinstance(item, Region):
                yield from item.nodes()
            else:
                yield item

    def regions(self) -> "Iterator[Region]":
        """Go through this call and all inner ones, inner ones first."""
        for item in self.items:
            if isinstance(item, Region):
                yield from item.regions()
        yield self


def regions_of(exported: ExportedProgram, network: nn.Module) -> Region:
    """Fold a program's operators into calls of the network's modules.

    A call whose operators are not in one piece is left open: they count as its caller's.
    """
    modules = dict(network.named_modules(remove_duplicate=False))
    scattered: set[str] = set()
    while True:
        root, torn = _folded(exported, modules, scattered)
        if not torn:
            return root
        scattered |= torn


def _folded(
    exported: ExportedProgram, modules: dict[str, nn.Module], scattered: set[str]
) -> tuple[Region, set[str]]:
    root = Region("", "")
    open_calls, closed, torn = [root], set[str](), set[str]()
    for node in exported.graph.nodes:
        if node.op != "call_function":
            continue
        stack = [
            (key, path)
            for key, path in _stack(node, modules)
            if key not in scattered and path in modules
        ]
        if stack or node.meta.get("nn_module_stack"):
            common = _common(open_calls[1:], stack)
            closed |= {call.key for call in open_calls[common + 1 :]}
            del open_calls[common + 1 :]
            for key, path in stack[common:]:
                if key in closed:
                    torn.add(key)
                call = Region(path, key)
                open_calls[-1].items.append(call)
                open_calls.append(call)
        open_calls[-1].items.append(node)
    return root, torn


def _stack(node: Node, modules: dict[str, nn.Module]) -> list[tuple[str, str]]:
    entries: Any = node.meta.get("nn_module_stack") or {}
    found = [(str(key), _TIMES.sub("", str(entry[0]))) for key, entry in entries.items()]
    return [(key, path) for key, path in found if path and path in modules]


def _common(calls: list[Region], stack: list[tuple[str, str]]) -> int:
    for place, (call, (key, _)) in enumerate(zip(calls, stack, strict=False)):
        if call.key != key:
            return place
    return min(len(calls), len(stack))
