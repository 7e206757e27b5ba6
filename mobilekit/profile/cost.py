"""What a network costs, whatever runs it: parameters, multiply-accumulates, activations, by layer."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

from mobilekit.core.reports import CostReport, LayerCost
from mobilekit.profile.activations import peak_activation_bytes
from mobilekit.profile.macs import arguments, is_free, macs_of, operator_name, shape_of

Convention = Literal["mac", "2mac", "2mac+bias+relu"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)

NETWORK = "net."
"""Where a program that wraps a network (normalization before it, flat outputs) holds that network."""
RECTIFIERS = frozenset({"relu", "relu_", "relu6", "hardtanh", "hardtanh_"})


def cost_of_program(exported: ExportedProgram) -> CostReport:
    """Count what an exported program costs for one run on its example shapes.

    Parameters that several layers share count once. `params_with_buffers` adds the floating-point
    buffers of the state dict (batch-norm statistics). One row per operator that multiplies or owns
    parameters, named by its module; a parameter belongs to the first operator that reads it.
    Operators that neither have a rule (`mobilekit.profile.macs`) nor are free are in `not_counted`.

    >>> linear = torch.export.export(torch.nn.Linear(3, 5), (torch.zeros(2, 3),))
    >>> report = cost_of_program(linear)
    >>> report.params, report.macs, report.peak_activation_bytes, report.size_bits
    (20, 30, 64, 640)
    >>> report.flops
    {'mac': 30, '2mac': 60, '2mac+bias+relu': 70}
    """
    signature = exported.graph_signature
    names = dict(signature.inputs_to_parameters)
    prefix = NETWORK if names and all(n.startswith(NETWORK) for n in names.values()) else ""
    params = _distinct(exported.state_dict[name] for name in names.values())
    kept = set(signature.buffers) - set(signature.non_persistent_buffers)
    buffers = _distinct(exported.state_dict[n] for n in sorted(kept) if n.startswith(prefix))
    count = sum(tensor.numel() for tensor in params)
    layers, macs = _layers(exported, names, prefix)
    inputs = {name for name in signature.user_inputs if isinstance(name, str)}
    return CostReport(
        params=count,
        params_trainable=sum(tensor.numel() for tensor in params if tensor.requires_grad),
        params_with_buffers=count + sum(t.numel() for t in buffers if t.is_floating_point()),
        params_nonzero=sum(int(torch.count_nonzero(tensor)) for tensor in params),
        macs=macs,
        peak_activation_bytes=peak_activation_bytes(exported.graph, inputs),
        layers=layers,
        not_counted=dict(sorted(_not_counted(exported).items())),
        flops={name: flops(exported, name) for name in CONVENTIONS},
        size_bits=8 * sum(t.numel() * t.element_size() for t in (*params, *buffers)),
    )


def flops(exported: ExportedProgram, convention: Convention) -> int:
    """Return the operations of one run, as different authors count them.

    Args:
        exported: the program.
        convention: `mac` counts a multiply-accumulate as one (Hubens' tables 5.5 and 6.6), `2mac` as
            two (table 5.8), `2mac+bias+relu` adds one per bias addition and per ReLU (table 5.7).

    >>> linear = torch.export.export(torch.nn.Linear(3, 5), (torch.zeros(2, 3),))
    >>> [flops(linear, name) for name in ("mac", "2mac", "2mac+bias+relu")]
    [30, 60, 70]
    """
    total = sum(macs_of(node) or 0 for node in _calls(exported))
    if convention == "mac":
        return total
    extra = 0
    if convention == "2mac+bias+relu":
        extra = sum(_bias_and_relu(node) for node in _calls(exported))
    return 2 * total + extra


def _layers(
    exported: ExportedProgram, parameters: dict[str, str], prefix: str
) -> tuple[tuple[LayerCost, ...], int]:
    rows, total = [], 0
    unclaimed = set(parameters)
    for node in _calls(exported):
        own = [part for part in node.all_input_nodes if part.name in unclaimed]
        unclaimed -= {part.name for part in own}
        macs = macs_of(node) or 0
        total += macs
        if macs or own:
            params = sum(math.prod(shape_of(part)) for part in own)
            name = _module_of(node, prefix, [parameters[part.name] for part in own])
            rows.append(LayerCost(name, operator_name(node), shape_of(node), params, macs))
    return tuple(rows), total


def _module_of(node: Node, prefix: str, parameters: list[str]) -> str:
    """Return the path of the innermost module that makes a call.

    A program that was saved and traced again knows no modules: there the first parameter's owner
    stands for it, or the call's own name.
    """
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = re.sub(r"@\d+", "", str(stack[-1][0])) if stack else ""
    if path in {"", prefix[:-1]} and parameters:
        path = parameters[0].rpartition(".")[0]
    return path.removeprefix(prefix) if path not in {"", prefix[:-1]} else node.name


def _bias_and_relu(node: Node) -> int:
    biased = bool(macs_of(node)) and arguments(node).get("bias") is not None
    return math.prod(shape_of(node)) if biased or operator_name(node) in RECTIFIERS else 0


def _not_counted(exported: ExportedProgram) -> Counter[str]:
    return Counter(
        operator_name(node)
        for node in _calls(exported)
        if macs_of(node) is None and not is_free(node)
    )


def _calls(exported: ExportedProgram) -> list[Node]:
    return [node for node in exported.graph.nodes if node.op == "call_function"]


def _distinct(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return each tensor once, however many names it has."""
    found = {(tensor.data_ptr(), tensor.shape, tensor.stride()): tensor for tensor in tensors}
    return list(found.values())
