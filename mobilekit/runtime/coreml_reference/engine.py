"""Runs a MIL program step by step, in float32 or with float16 rounding after each operator."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from mobilekit.core.errors import ArtifactError, DataError, MobilekitError
from mobilekit.core.tensors import TensorSpec
from mobilekit.runtime.arrays import check_arrays
from mobilekit.runtime.coreml_reference.context import OpContext
from mobilekit.runtime.coreml_reference.description import Ends, described, described_function
from mobilekit.runtime.coreml_reference.loader import load_package
from mobilekit.runtime.coreml_reference.steps import Block, Ref, Step, compiled, to_tensor

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays

Precision = Literal["as-stored", "float32"]
Watch = Callable[[Step, str, Any], None]

_DTYPES = {
    "fp32": torch.float32, "fp64": torch.float64, "int32": torch.int32, "int64": torch.int64,
    "int16": torch.int16, "uint16": torch.int32, "int8": torch.int8, "uint8": torch.uint8,
    "bool": torch.bool,
}  # fmt: skip


class ReferenceRunner:
    """A loaded `.mlpackage`.

    Args:
        path: the package.
        threads: of torch's kernels.
        precision: `as-stored` rounds to float16 after each operator whose output the program
            declares as float16; `float32` leaves that rounding out.
        function: of a package with several; the default one otherwise.

    Raises:
        ArtifactError: damaged or foreign package, unknown operator or parameter, no such function.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        precision: Precision = "as-stored",
        function: str | None = None,
    ) -> None:
        package = load_package(path)
        functions = package.program.functions
        name = function or package.spec.description.defaultFunctionName or "main"
        if name not in functions:
            raise ArtifactError(f"{path}: has no function {name!r}, only {', '.join(functions)}")
        self.path = path
        self._threads = threads
        self._rounds = precision == "as-stored"
        self._ends: Ends = described_function(package.spec, name if function else None)
        self.inputs: tuple[TensorSpec, ...]
        self.outputs: tuple[TensorSpec, ...]
        self.inputs, self.outputs = described(package.spec, name if function else None)
        self.functions = tuple(functions)
        self._block: Block = compiled(functions[name])
        self._constants: dict[str, Any] = {}
        self.state: dict[str, Tensor] = self._ends.initial_state()

    def run(self, inputs: "Arrays") -> "Arrays":
        """Compute the outputs for one set of inputs; the model's state, if any, moves on.

        Image inputs take 8-bit pixels [1, H, W, C]; class probabilities come as an array in the
        order of the labels, the class label as an array of one string.

        Raises:
            DataError: wrong names, shapes or types.
            ArtifactError: an operator met values that it is not made for.
        """
        return self._run(inputs, None)

    def run_all(self, inputs: "Arrays") -> "dict[str, tuple[str, Array]]":
        """Return every value that the program computes: name → (operator, value), in order."""
        found: dict[str, tuple[str, Array]] = {}

        def watch(step: Step, name: str, value: Any) -> None:
            if isinstance(value, Tensor):
                found[name] = (step.kind, value.numpy())

        self._run(inputs, watch)
        return found

    def operators(self) -> tuple[Step, ...]:
        """List the operators in the order they run."""
        return self._block.steps

    def reset_state(self) -> None:
        """Set each state back to zeros."""
        self.state = self._ends.initial_state()

    def _run(self, inputs: "Arrays", watch: Watch | None) -> "Arrays":
        self._check(inputs)
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                values: dict[str, Any] = {
                    name: self._ends.to_program(name, to_tensor(array))
                    for name, array in inputs.items()
                }
                values |= {name: Ref(name) for name in self.state}
                results = self._execute(self._block, values, watch)
        finally:
            torch.set_num_threads(before)
        return self._ends.to_features(dict(zip(self._block.outputs, results, strict=True)))

    def _check(self, inputs: "Arrays") -> None:
        if not self._ends.flexible:
            check_arrays(self.inputs, inputs)
            return
        names = {spec.name for spec in self.inputs}
        if names != set(inputs):
            raise DataError(f"inputs {sorted(inputs)} given, {sorted(names)} expected")
        for spec in self.inputs:
            self._ends.check_shape(spec, inputs[spec.name])

    def _execute(
        self, block: Block, values: dict[str, Any], watch: Watch | None
    ) -> tuple[Any, ...]:
        values = dict(values)
        for step in block.steps:
            if step.constant and step.outputs[0] in self._constants:
                for name in step.outputs:
                    values[name] = self._constants[name]
            else:
                self._perform(step, values, watch)
            if watch is not None:
                for name in step.outputs:
                    watch(step, name, values[name])
            for name in step.frees:
                values.pop(name, None)
        return tuple(values[name] for name in block.outputs)

    def _perform(self, step: Step, values: dict[str, Any], watch: Watch | None) -> None:
        arguments = {name: _looked_up(value, values) for name, value in step.arguments.items()}
        if step.wants_context:
            arguments["context"] = OpContext(
                step.name,
                step.types,
                step.blocks,
                lambda block, given: self._execute(
                    block, {**values, **dict(zip(block.inputs, given, strict=True))}, watch
                ),
                self.state,
            )
        try:
            result = step.handler(**arguments)
        except MobilekitError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as problem:
            words = " ".join(str(problem).split())[:200]
            raise ArtifactError(
                f"{self.path}: operator {step.kind} ({step.name}) failed:"
                f" {type(problem).__name__}: {words}"
            ) from problem
        results = result if isinstance(result, tuple) else (result,)
        for name, kind, value in zip(step.outputs, step.types, results, strict=True):
            values[name] = self._declared(value, kind)
            if step.constant:
                self._constants[name] = values[name]

    def _declared(self, value: Any, kind: str) -> Any:
        """Give a result the type that the program declares for it."""
        if not isinstance(value, Tensor):
            return value
        if kind == "fp16":
            return value.half().float() if self._rounds else value.float()
        wanted = _DTYPES.get(kind)
        return value if wanted is None or value.dtype == wanted else value.to(wanted)


def _looked_up(value: Any, values: dict[str, Any]) -> Any:
    if isinstance(value, Ref):
        return values[value.name]
    if isinstance(value, tuple):
        return tuple(_looked_up(part, values) for part in value)
    return value
