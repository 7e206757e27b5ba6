"""What a network and a file compute on the way, in the order they compute it."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from mobilekit.verify.conditioning import Rounding, Widening, unguarded

if TYPE_CHECKING:
    import numpy.typing as npt

    from mobilekit.core.tensors import Arrays
    from mobilekit.runtime.coreml_reference.steps import Step
    from mobilekit.runtime.program import Program

    Values = npt.NDArray[np.floating[Any]]

LEAST_ELEMENTS = 8
"""Fewer values than these match by chance; only outputs are compared when they are so small."""
_WRAPPER = "mobilekit.export.program.Ends"


@dataclass(frozen=True)
class NetworkValue:
    """One value of the network.

    Attributes:
        node: its name in the exported graph.
        operator: such as `conv2d`.
        module: path of the module that computes it, such as `layer1.0.conv1`; empty outside.
        array: the value.
        own_error: relative L2 error that PyTorch itself has here at the file's precision.
    """

    node: str
    operator: str
    module: str
    array: "Values"
    own_error: float = 0.0


@dataclass(frozen=True)
class FileValue:
    """One value of a file.

    Attributes:
        name: of the tensor.
        operator: type of the operator that computes it.
        index: of the operator among the file's operators.
        array: the value.
        sources: positions, in the same list, of the values that it is computed from.
        pinned: name of the network's node that it must equal, for outputs.
        needed: an operator reads it, or it is an output; False for what is computed for nothing.
    """

    name: str
    operator: str
    index: int
    array: "Values"
    sources: tuple[int, ...] = ()
    pinned: str = ""
    needed: bool = True


def of_network(program: "Program", inputs: "Arrays", precision: str) -> list[NetworkValue]:
    """Run a network and keep each floating-point value, inputs included, with its own error."""
    module = program.exported.module()
    plain, rough = _Keeping(module), _keeping(program, module, precision)
    values = [torch.tensor(inputs[spec.name]) for spec in program.inputs]
    wide = [
        value.double() if precision == "float32" and value.is_floating_point() else value.clone()
        for value in values
    ]
    with torch.no_grad():
        rough.run(*wide)
        plain.run(*values)
    return [
        NetworkValue(
            node.name,
            _operator(node),
            _module(node),
            plain.kept[node.name],
            _relative(plain.kept[node.name], rough.kept.get(node.name)),
        )
        for node in module.graph.nodes
        if node.name in plain.kept
    ]


def output_nodes(program: "Program") -> dict[str, str]:
    """Return output → name of the graph's node that gives it."""
    graph = program.exported.module().graph
    (end,) = (node for node in graph.nodes if node.op == "output")
    return {
        spec.name: node.name
        for spec, node in zip(program.outputs, end.all_input_nodes, strict=False)
        if len(end.all_input_nodes) == len(program.outputs)
    }


def of_tflite(path: Path, feed: "Arrays", outputs: dict[str, str]) -> list[FileValue]:
    """Run a `.tflite` without XNNPACK, which keeps no intermediate values, and take them all.

    Args:
        path: the file.
        feed: its inputs.
        outputs: file output → the network's node.
    """
    from mobilekit.runtime.tflite import TfliteRunner

    runner = TfliteRunner(path, delegate=False, keep_all=True)
    runner.run(feed)
    values: dict[int, tuple[str, Any]] = runner.tensor_values()
    ins, outs = runner.tensor_indices()
    pins = {index: outputs.get(name, "") for name, index in outs.items()}
    operators = runner.operators()
    needed = {index for operator in operators for index in operator.inputs} | set(outs.values())
    flow = _Flow(ins.values(), needed)
    for operator in operators:
        for index in operator.outputs:
            name, array = values.get(index, ("", None))
            found = FileValue(
                name, operator.kind, operator.index, array, pinned=pins.get(index, "")
            )
            flow.add(index, operator.inputs, found)
    return flow.values


def of_coreml(path: Path, feed: "Arrays", outputs: dict[str, str]) -> list[FileValue]:
    """Run an `.mlpackage` by the reference executor and take all values; see `of_tflite`."""
    from mobilekit.runtime.coreml_reference import ReferenceRunner

    runner = ReferenceRunner(path)
    values: dict[str, tuple[str, Any]] = runner.run_all(feed)
    steps = runner.operators()
    needed = {name for step in steps for name in _references(step)}
    needed |= {spec.name for spec in runner.outputs}
    flow = _Flow((spec.name for spec in runner.inputs), needed)
    for index, step in enumerate(steps):
        for name in step.outputs:
            array: Any = values[name][1] if name in values else None
            found = FileValue(name, step.kind, index, array, pinned=outputs.get(name, ""))
            flow.add(name, _references(step), found)
    return flow.values


class _Flow:
    """Collects the comparable values, each with those it is computed from.

    Values that come from constants alone are left out; those that cannot be compared (integers,
    very small ones) are passed through to the values they are computed from.
    """

    def __init__(self, inputs: Iterable[Any], needed: set[Any]) -> None:
        self.values: list[FileValue] = []
        self._needed = needed
        self._sources: dict[Any, tuple[int, ...]] = dict.fromkeys(inputs, ())

    def add(self, key: Any, used: Iterable[Any], value: FileValue) -> None:
        """Add the value that an operator computes from the values called `used`."""
        known = [self._sources[name] for name in used if name in self._sources]
        if not known:
            return
        sources = tuple(sorted({index for group in known for index in group}))
        self._sources[key] = sources
        if _comparable(value):
            self._sources[key] = (len(self.values),)
            self.values.append(
                dataclasses.replace(
                    value,
                    array=np.array(value.array, copy=True),
                    sources=sources,
                    needed=key in self._needed,
                )
            )


class _Keeping(fx.Interpreter):
    """Keeps a copy of every floating-point value: in-place operators overwrite what they read."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.kept: dict[str, Values] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one node and keep what it gives."""
        value = super().run_node(n)
        floating = isinstance(value, torch.Tensor) and value.is_floating_point()
        if floating and n.op in {"placeholder", "call_function"}:
            self.kept[n.name] = value.detach().clone().numpy()
        return value


class _KeepingRounding(_Keeping, Rounding):
    """The same in float16."""


class _KeepingWidening(_Keeping, Widening):
    """The same in float64."""


def _keeping(program: "Program", module: fx.GraphModule, precision: str) -> _Keeping:
    if precision == "float32":
        return _KeepingWidening(unguarded(program))
    return _KeepingRounding(module)


def _relative(one: "Values", other: "Values | None") -> float:
    """Return ‖one − other‖ / ‖one‖ over the values that are finite in both."""
    if other is None or one.shape != other.shape:
        return 0.0
    first, second = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    finite = np.isfinite(first) & np.isfinite(second)
    norm = float(np.linalg.norm(first[finite]))
    return float(np.linalg.norm((first - second)[finite])) / norm if norm else 0.0


def _operator(node: fx.Node) -> str:
    if node.op == "placeholder":
        return "input"
    return getattr(node.target, "__name__", str(node.target)).split(".")[0]


def _module(node: fx.Node) -> str:
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return ""
    wrapped = str(stack[0][1]).endswith(_WRAPPER)
    path = str(stack[-1][0])
    return path.removeprefix("net").removeprefix(".") if wrapped else path


def _references(step: "Step") -> set[str]:
    """Return the names of the values that a step reads, in nested blocks too."""
    found = set()
    for value in step.arguments.values():
        parts = value if isinstance(value, tuple) else (value,)
        found |= {part.name for part in parts if hasattr(part, "name")}
    for block in step.blocks:
        for nested in block.steps:
            found |= _references(nested)
    return found


def _comparable(value: FileValue) -> bool:
    array: Any = value.array
    if array is None or array.dtype.kind != "f":
        return False
    if value.pinned:
        return True
    # A constant value, such as all zeros, says nothing about where it comes from.
    return array.size >= LEAST_ELEMENTS and float(array.min()) != float(array.max())
