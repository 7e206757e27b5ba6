"""Numbers that were rewritten in a traced graph: written down, and put into a graph traced anew."""

import hashlib
from types import EllipsisType
from typing import Any

import torch
from torch import fx

from mobilekit.compress.structuring.format import Edit, Graph, Item
from mobilekit.compress.structuring.layers import INSTEAD
from mobilekit.core.errors import ArtifactError, ModelError


def rewritten(old: fx.GraphModule, new: fx.GraphModule) -> Graph:
    """Compare two graphs call by call.

    Raises:
        ModelError: other calls, or arguments that JSON cannot hold.
    """
    first, second = list(old.graph.nodes), list(new.graph.nodes)
    if len(first) != len(second):
        raise ModelError(f"{len(second)} calls instead of {len(first)}; {INSTEAD}")
    edits = []
    for one, two in zip(first, second, strict=True):
        if (one.name, one.op) != (two.name, two.op):
            raise ModelError(f"the call {two.name} stands where {one.name} was; {INSTEAD}")
        split = _target(one) != _target(two)
        if split and _target(two) != "split":
            raise ModelError(f"{one.name}: calls {_calls(two)}, not {_calls(one)}; {INSTEAD}")
        if split or repr((one.args, one.kwargs)) != repr((two.args, two.kwargs)):
            args = tuple(_item(two, value) for value in two.args)
            kwargs = {name: _item(two, value) for name, value in two.kwargs.items()}
            edits.append(Edit(one.name, _calls(one), args, kwargs, split))
    return Graph(_digest(old), tuple(edits))


def rewrite(traced: fx.GraphModule, graph: Graph) -> None:
    """Put the edits into a graph, in place.

    Raises:
        ModelError: the graph is not the one that was described.
        ArtifactError: edits that fit no graph.
    """
    nodes = {node.name: node for node in traced.graph.nodes}
    for edit in graph.edits:
        node = nodes.get(edit.node)
        found = "has no such call" if node is None else f"calls {_calls(node)}"
        if node is None or _calls(node) != edit.calls:
            raise ModelError(
                f"{edit.node}: the structure's network calls {edit.calls} here, this one {found}"
            )
    if _digest(traced) != graph.sha256:
        raise ModelError("the network's code is another than that of the structure's network")
    for edit in graph.edits:
        node = nodes[edit.node]
        if edit.split:
            node.target = "split" if node.op == "call_method" else torch.split
        node.args = tuple(_value(item, nodes) for item in edit.args)
        node.kwargs = {name: _value(item, nodes) for name, item in edit.kwargs.items()}
    try:
        traced.graph.lint()
    except RuntimeError as problem:
        words = " ".join(str(problem).split())[:120]
        raise ArtifactError(f"the edits of the graph do not fit: {words}") from problem
    traced.recompile()


def _target(node: fx.Node) -> str:
    if isinstance(node.target, str):
        return node.target
    return str(getattr(node.target, "__name__", type(node.target).__name__))


def _calls(node: fx.Node) -> str:
    return f"{node.op} {_target(node)}"


def _digest(traced: fx.GraphModule) -> str:
    lines = "\n".join(f"{node.name} {_calls(node)}" for node in traced.graph.nodes)
    return hashlib.sha256(lines.encode()).hexdigest()


def _item(node: fx.Node, value: Any) -> Item:
    """Write one argument down."""
    if isinstance(value, fx.Node):
        return Item("node", value.name)
    if isinstance(value, slice):
        bounds = (value.start, value.stop, value.step)
        return Item("slice", items=tuple(_item(node, one) for one in bounds))
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return Item(kind, items=tuple(_item(node, one) for one in value))  # type: ignore[arg-type]
    if isinstance(value, EllipsisType):
        return Item("ellipsis")
    if isinstance(value, (bool, int, float, str, type(None))):
        return Item("value", value)
    raise ModelError(
        f"{node.name}: a structure cannot hold an argument that is a {type(value).__name__}; {INSTEAD}"
    )


def _value(item: Item, nodes: dict[str, fx.Node]) -> Any:
    """Return the argument that was written down."""
    if item.kind == "value":
        return item.value
    if item.kind == "node":
        if item.value not in nodes:
            raise ArtifactError(f"{item.value}: no call of the network, though an edit names it")
        return nodes[str(item.value)]
    if item.kind == "ellipsis":
        return ...
    values = [_value(one, nodes) for one in item.items]
    if item.kind == "slice":
        if len(values) != 3:
            raise ArtifactError(f"a slice of {len(values)} numbers; it has three")
        return slice(*values)
    return tuple(values) if item.kind == "tuple" else values
