"""Classes whose `forward` says in Python what the calls of a module do."""

import inspect
import keyword
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from mobilekit.export.source.layers import constructor
from mobilekit.export.source.statements import expression, is_silent, needs
from mobilekit.export.source.tree import Region


@dataclass
class Wiring:
    """What goes into and comes out of one call."""

    inputs: list[Node]
    outputs: list[Node]


@dataclass
class Plan:
    """All that is known of a program before it is written."""

    network: nn.Module
    root: Region
    tensors: dict[str, str]
    """Placeholder → state-dict name of its parameter, buffer or constant."""
    arguments: list[Node]
    """Inputs of the network."""
    results: Any
    """Its outputs, in their structure: nodes and constants."""
    constants: dict[str, Any]
    """Tensors that belong to no module, by the names that they get."""
    aliases: dict[str, list[str]]
    """Name of a parameter or buffer → all names that it has."""
    wiring: dict[str, Wiring] = field(default_factory=dict)
    methods: dict[str, list[str]] = field(default_factory=dict)
    """Module → bodies of its methods, the first being `forward`."""
    callee: dict[str, str] = field(default_factory=dict)
    """Call → name of the method that it is."""
    layers: dict[str, str] = field(default_factory=dict)
    """Module → constructor, for those that are written as layers."""
    chains: set[str] = field(default_factory=set)
    """Modules that are written as `nn.Sequential`."""

    def lives(self, node: Node) -> bool:
        """Whether a call is needed."""
        return node in self.alive

    @cached_property
    def alive(self) -> set[Node]:
        """Calls that something needs, or that write in place."""
        return _alive(self)

    @cached_property
    def users(self) -> dict[Node, list[Node]]:
        """Calls that take a value, those that only read its size among them."""
        found: dict[Node, list[Node]] = {}
        for node in self.alive:
            for value in needs(node):
                found.setdefault(value, []).append(node)
        return found


def plan_of(exported: ExportedProgram, network: nn.Module, root: Region) -> Plan:
    """Find out what every call takes and gives, and write its method."""
    signature = exported.graph_signature
    tensors: dict[str, str] = {}
    constants: dict[str, Any] = {}
    for spec in signature.input_specs:
        if spec.kind in {InputKind.PARAMETER, InputKind.BUFFER}:
            tensors[spec.arg.name] = str(spec.target)
        elif spec.kind is InputKind.CONSTANT_TENSOR:
            name = f"constant_{len(constants)}"
            constants[name] = exported.constants[str(spec.target)]
            tensors[spec.arg.name] = name
    nodes = {node.name: node for node in exported.graph.nodes}
    users = [nodes[name] for name in signature.user_inputs if isinstance(name, str)]
    results = [
        nodes.get(one, one) if isinstance(one, str) else one for one in signature.user_outputs
    ]
    plan = Plan(network, root, tensors, users, results, constants, _aliases(network))
    _wire(plan)
    for region in root.regions():
        _write(plan, region)
    return plan


def _aliases(network: nn.Module) -> dict[str, list[str]]:
    named = (
        *network.named_parameters(remove_duplicate=False),
        *network.named_buffers(remove_duplicate=False),
    )
    same: dict[int, list[str]] = {}
    for name, tensor in named:
        same.setdefault(id(tensor), []).append(name)
    return {name: same[id(tensor)] for name, tensor in named}


def _alive(plan: Plan) -> set[Node]:
    ordered = list(plan.root.nodes())
    wanted = {one for one in plan.results if isinstance(one, Node)}
    found: set[Node] = set()
    for node in reversed(ordered):
        target: Any = node.target
        schema = getattr(target, "_schema", None)
        writes = schema is not None and schema.is_mutable
        if is_silent(node) or not (node in wanted or writes):
            continue
        found.add(node)
        wanted.update(needs(node))
    return found


def _wire(plan: Plan) -> None:
    """Find the values that cross the border of each call."""
    finals = {one for one in plan.results if isinstance(one, Node)}
    for region in plan.root.regions():
        inside = dict.fromkeys(node for node in region.nodes() if plan.lives(node))
        inputs: dict[Node, None] = {}
        outputs: dict[Node, None] = {}
        for node in inside:
            for value in needs(node):
                if value not in inside and not _owned(plan, value, region.path):
                    inputs[value] = None
            used = any(user not in inside for user in plan.users.get(node, ()))
            if used or node in finals:
                outputs[node] = None
        plan.wiring[region.key] = Wiring(list(inputs), list(outputs))


def _owned(plan: Plan, value: Node, path: str) -> bool:
    """Whether a value is a parameter or buffer of a module or of what is in it."""
    return _name_within(plan, value, path) is not None


def _name_within(plan: Plan, value: Node, path: str) -> str | None:
    """Return the name of a tensor that begins with a module's path; a tied one has several names."""
    name = plan.tensors.get(value.name)
    if name is None or not path:
        return name
    names = plan.aliases.get(name, [name])
    return next((one for one in names if one.startswith(f"{path}.")), None)


def _write(plan: Plan, region: Region) -> None:
    """Decide how a call is written: as a layer, as a chain of layers, or as a method."""
    wiring = plan.wiring[region.key]
    module = plan.network.get_submodule(region.path)
    if region.path and region.path not in plan.methods:
        text = plan.layers.get(region.path) or constructor(module)
        if text is not None and _is_layer(plan, region, wiring):
            plan.layers[region.path] = text
            plan.callee[region.key] = "forward"
            return
        if region.path not in plan.layers and _is_chain(plan, region, wiring, module):
            plan.chains.add(region.path)
            plan.callee[region.key] = "forward"
            return
    _demote(plan, region.path)
    bodies = plan.methods.setdefault(region.path, [])
    body = _method(plan, region, wiring, module)
    if body not in bodies:
        bodies.append(body)
    number = bodies.index(body)
    plan.callee[region.key] = "forward" if not number else f"forward_{number + 1}"


def _demote(plan: Plan, path: str) -> None:
    """A module that was written as a layer once and cannot be again becomes a class."""
    if path in plan.layers or path in plan.chains:
        plan.layers.pop(path, None)
        plan.chains.discard(path)
        again = [one for one in plan.root.regions() if one.path == path and one.key in plan.callee]
        for region in again:
            module = plan.network.get_submodule(path)
            bodies = plan.methods.setdefault(path, [])
            body = _method(plan, region, plan.wiring[region.key], module)
            if body not in bodies:
                bodies.append(body)
            number = bodies.index(body)
            plan.callee[region.key] = "forward" if not number else f"forward_{number + 1}"


def _is_layer(plan: Plan, region: Region, wiring: Wiring) -> bool:
    """Whether a call is `layer(x)`, and no more."""
    if len(wiring.inputs) != 1 or len(wiring.outputs) > 1:
        return False
    if any(isinstance(item, Region) for item in region.items):
        return False
    module = plan.network.get_submodule(region.path)
    if isinstance(module, nn.modules.conv._ConvTransposeNd):  # noqa: SLF001
        return all(_as_built(node, module) for node in region.nodes())
    return True


def _as_built(node: Node, module: Any) -> bool:
    """Whether a transposed convolution was called without an output size."""
    asked: Any = node.args[5] if len(node.args) > 5 else [0] * len(module.output_padding)
    return list(asked) == list(module.output_padding)


def _is_chain(plan: Plan, region: Region, wiring: Wiring, module: nn.Module) -> bool:
    """Whether a call is that of an `nn.Sequential`: each part takes what the one before gave."""
    names = [name for name, _ in module.named_children()]
    if not isinstance(module, nn.Sequential) or names != [str(n) for n in range(len(names))]:
        return False
    if len(wiring.inputs) != 1 or len(wiring.outputs) != 1:
        return False
    value, last = wiring.inputs[0], -1
    for item in region.items:
        if not isinstance(item, Region):
            if plan.lives(item):
                return False
            continue
        inner = plan.wiring[item.key]
        head, _, name = item.path.rpartition(".")
        if head != region.path or plan.callee[item.key] != "forward" or not name.isdigit():
            return False
        if inner.inputs != [value] or len(inner.outputs) != 1 or int(name) <= last:
            return False
        value, last = inner.outputs[0], int(name)
    return wiring.outputs == [value]


def _method(plan: Plan, region: Region, wiring: Wiring, module: nn.Module) -> str:
    """Write the arguments and the body of a call."""
    inputs = plan.arguments if not region.path else wiring.inputs
    names: dict[Node, str] = dict(zip(inputs, _parameters(module, len(inputs)), strict=True))
    head = f"({', '.join(['self', *names.values()])}):"
    results = plan.results if not region.path else wiring.outputs
    later = _uses(plan, region)
    later.update(one for one in results if isinstance(one, Node))
    lines = _lines(plan, region, names, later)
    for one in results:
        if isinstance(one, Node) and one not in names:
            names[one] = _tensor(plan, one, region.path) or "None"
    return "\n".join([head, *lines, f"return {_returned(region, results, names)}"])


def _lines(
    plan: Plan, region: Region, names: dict[Node, str], later: Counter[Node]
) -> Iterator[str]:
    """Write line by line; a name whose value is not used again is taken for the next one."""
    taken = set(names.values()) | {"self"}
    for item in region.items:
        made = _line(plan, region, item, names)
        if made is None:
            continue
        values, outputs, text = made
        later.subtract(values)
        free = [names[v] for v in dict.fromkeys(values) if v in names and not later[v]]
        targets = []
        for output in outputs:
            names[output] = free.pop(0) if free else _fresh(output, item, taken)
            taken.add(names[output])
            targets.append(names[output])
        yield f"{', '.join(targets)} = {text}" if targets else text


def _uses(plan: Plan, region: Region) -> Counter[Node]:
    found: Counter[Node] = Counter()
    for item in region.items:
        if isinstance(item, Region):
            found.update(plan.wiring[item.key].inputs)
        elif plan.lives(item):
            found.update(needs(item))
    return found


def _line(
    plan: Plan, region: Region, item: "Node | Region", names: dict[Node, str]
) -> tuple[list[Node], list[Node], str] | None:
    """Return what a line takes, what it makes, and its right side."""
    if isinstance(item, Region):
        wiring = plan.wiring[item.key]
        if not wiring.outputs and not any(plan.lives(node) for node in item.nodes()):
            return None
        given = ", ".join(_named(plan, region, value, names) for value in wiring.inputs)
        callee = plan.callee[item.key]
        method = "" if callee == "forward" else f".{callee}"
        return (
            wiring.inputs,
            wiring.outputs,
            f"{access(plan, region.path, item.path)}{method}({given})",
        )
    if not plan.lives(item):
        return None
    taken = needs(item)
    here = dict(names)
    for value in item.all_input_nodes:
        if value not in here:
            here[value] = _tensor(plan, value, region.path) or "_"
    return taken, [item], expression(item, here)


def _named(plan: Plan, region: Region, value: Node, names: dict[Node, str]) -> str:
    return names.get(value) or _tensor(plan, value, region.path) or "_"


def _tensor(plan: Plan, value: Node, path: str) -> str | None:
    """Write a parameter, buffer or constant as it is seen from a module."""
    name = _name_within(plan, value, path)
    return None if name is None else access(plan, path, name)


def access(plan: Plan, path: str, target: str) -> str:
    """Write the way from a module to what is in it: `self.layer1[0].conv1`."""
    rest = target[len(path) + 1 :] if path else target
    text, here = "self", path
    for part in rest.split("."):
        indexed = part.isdigit() and _is_list(plan, here)
        if indexed:
            text += f"[{part}]"
        elif part.isidentifier() and not keyword.iskeyword(part):
            text += f".{part}"
        else:
            text = f'getattr({text}, "{part}")'
        here = f"{here}.{part}" if here else part
    return text


def _is_list(plan: Plan, path: str) -> bool:
    """Whether a module is written as a list or a chain, whose parts have numbers."""
    module = plan.network.get_submodule(path)
    return path in plan.chains or (
        path not in plan.methods
        and isinstance(module, (nn.Sequential, nn.ModuleList))
        and bool(path)
    )


def _parameters(module: nn.Module, count: int) -> list[str]:
    try:
        names = [
            name
            for name, one in inspect.signature(module.forward).parameters.items()
            if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}
        ]
    except (TypeError, ValueError):
        names = []
    if len(names) < count:
        names = ["x"] if count == 1 else [f"x{number}" for number in range(1, count + 1)]
    return [f"{name}_" if name in {"self", "torch", "nn", "F"} else name for name in names[:count]]


def _fresh(output: Node, item: "Node | Region", taken: set[str]) -> str:
    """Name a new value after the layer or the operator that makes it."""
    if "out" not in taken:
        return "out"
    source = (
        item.path.rpartition(".")[2]
        if isinstance(item, Region)
        else re.sub(r"_\d+$", "", output.name)
    )
    base = re.sub(r"\W", "_", source).strip("_")
    base = base if base.isidentifier() and not keyword.iskeyword(base) else "y"
    base = f"{base}_" if base in {"torch", "nn", "F", "float"} else base
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _returned(region: Region, results: Any, names: dict[Node, str]) -> str:
    texts = [names[one] if isinstance(one, Node) else repr(one) for one in results]
    if region.path:
        return ", ".join(texts) or "None"
    return "\0RESULT\0" + "\0".join(texts)
