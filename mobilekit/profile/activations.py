"""How much memory the activations of an exported graph need at once."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch.fx import Graph, Node

from mobilekit.profile.macs import is_elementwise, operator_name, size_of

IDENTITIES = frozenset({"dropout", "feature_dropout", "alpha_dropout", "clone", "lift_fresh_copy"})
"""Operators that give back their input in inference, though their schema does not say so."""
OVERWRITING = frozenset({"batch_norm", "_native_batch_norm_legit_no_training"})
"""Operators that are not pointwise by name, but can be computed where their input lies."""


def peak_activation_bytes(graph: Graph, inputs: Iterable[str]) -> int:
    """Return the most bytes that inputs, intermediate values and outputs take at any one operator.

    A value lives from the operator that makes it to the last one that reads it; views share the
    storage they look at; an elementwise operator (batch norm included) writes over an operand that
    nobody reads later and that is as large, so a convolution, batch norm and ReLU hold one output
    as they do when fused. Weights and the scratch memory inside an operator are not counted.

    Args:
        graph: of an exported program.
        inputs: names of the placeholders that are the user's inputs; the others are weights.
    """
    nodes = list(graph.nodes)
    owners = _owners(nodes, set(inputs))
    last_read = _last_reads(nodes, owners)
    live: dict[Node, int] = {}  # owner of a storage → its bytes
    peak = 0
    for position, node in enumerate(nodes):
        makes = owners[node] is node
        if makes:
            size = value_bytes(node.meta.get("val"))
            free = [o for o in _operands(node, owners) if last_read[o] == position]
            same = [o for o in free if o.op != "placeholder" and live.get(o) == size]
            if same and _may_overwrite(node):
                del live[same[0]]
            live[node] = size
        peak = max(peak, sum(live.values()))
        for owner in [owner for owner in live if last_read.get(owner, -1) <= position]:
            del live[owner]
    return peak


def value_bytes(value: Any) -> int:
    """Return the bytes of the tensors in a node's value."""
    if isinstance(value, torch.Tensor):
        return math.prod(size_of(size) for size in value.shape) * value.element_size()
    if isinstance(value, (tuple, list)):
        return sum(value_bytes(part) for part in value)
    return 0


def _owners(nodes: list[Node], inputs: set[str]) -> dict[Node, Node | None]:
    """Say in whose storage the value of each node lies; weights are nobody's."""
    owners: dict[Node, Node | None] = {}
    for node in nodes:
        if node.op == "call_function":
            looked_at = _viewed(node)
            owners[node] = node if looked_at is None else owners[looked_at]
        else:
            owners[node] = node if node.name in inputs else None
    return owners


def _viewed(node: Node) -> Node | None:
    """Return the node whose storage a call gives back, or None when it makes its own."""
    found = node.all_input_nodes
    if not found:
        return None
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):  # noqa: SLF001  the only name of this type
        return found[0] if getattr(target, "__name__", "") == "getitem" else None
    if operator_name(node) in IDENTITIES:
        return found[0]
    schema = target._schema  # noqa: SLF001
    if not any(value.alias_info is not None for value in schema.returns):
        return None
    return next(
        (
            value
            for argument, value in zip(schema.arguments, node.args, strict=False)
            if argument.alias_info is not None and isinstance(value, Node)
        ),
        None,
    )


def _last_reads(nodes: list[Node], owners: dict[Node, Node | None]) -> dict[Node, int]:
    """Return the position of the last node that reads each storage, itself or through a view."""
    return {
        owner: position for position, node in enumerate(nodes) for owner in _operands(node, owners)
    }


def _operands(node: Node, owners: dict[Node, Node | None]) -> list[Node]:
    found = [owners[operand] for operand in node.all_input_nodes]
    return [owner for owner in found if owner is not None]


def _may_overwrite(node: Node) -> bool:
    return is_elementwise(node) or operator_name(node) in OVERWRITING
