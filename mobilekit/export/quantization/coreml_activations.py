"""8-bit activations: pairs of quantize and dequantize around the operators that have integer kernels.

The pairs lie where coremltools' own passes put them: before convolutions, linear layers, poolings and
sums, and after them and the activation function that follows, so that a Core ML back end finds patterns
it knows. Here a clip, which is what ReLU6 becomes, is an activation function too; their passes put the
pair before it, and what only goes out of the network, cast or not, stays float. Ranges come from the
reference executor, on any machine.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.core.errors import DataError
from mobilekit.core.quantization import Observer
from mobilekit.export.quantization.coreml_encoding import FLOATS
from mobilekit.export.quantization.coreml_package import blocks, opened, type_of
from mobilekit.export.quantization.coreml_weights import argument
from mobilekit.export.quantization.ranges import Ranges

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays

CORES = {"conv": "x", "linear": "x", "avg_pool": "x", "max_pool": "x", "add": "xy"}
"""Operators with integer kernels → their inputs that are activations."""
FUNCTIONS = frozenset(
    {"relu", "relu6", "clip", "leaky_relu", "tanh", "scaled_tanh", "sigmoid", "sigmoid_hard"}
)
"""Activation functions that are computed with the operator before them."""
MOVES = frozenset(
    {
        "cast",
        "classify",
        "concat",
        "const",
        "dequantize",
        "expand_dims",
        "identity",
        "pad",
        "quantize",
        "reshape",
        "slice_by_index",
        "slice_by_size",
        "split",
        "squeeze",
        "stack",
        "tile",
        "transpose",
    }
)
"""Operators that compute nothing."""


@dataclass(frozen=True)
class Points:
    """Which values of a block become integers, and for whom."""

    cores: dict[str, Any]
    """Name of the output → operator, of those whose inputs become integers."""
    before: dict[str, list[Any]]
    """Value → the cores that take it."""
    after: frozenset[str]
    """Values that become integers for all who take them."""


def points_of(operations: "list[Any]", chosen: Collection[str] | None = None) -> Points:
    """Find the values of a block that become integers.

    Args:
        operations: of the block.
        chosen: outputs of the cores meant; all where None.
    """
    fixed = {
        output.name
        for one in operations
        if one.type == "const" or one.type.startswith("constexpr_")
        for output in one.outputs
    }
    takers: dict[str, list[Any]] = {}
    for one in operations:
        for name in _taken(one):
            takers.setdefault(name, []).append(one)
    cores = {
        one.outputs[0].name: one
        for one in operations
        if _is_core(one, fixed) and (chosen is None or one.outputs[0].name in chosen)
    }
    before: dict[str, list[Any]] = {}
    after = set()
    for end, one in cores.items():
        for port in CORES[one.type]:
            before.setdefault(argument(one, port), []).append(one)
        users = takers.get(end, [])
        fused = len(users) == 1 and users[0].type in FUNCTIONS
        last = users[0].outputs[0].name if fused else end
        if any(user.type != "cast" for user in takers.get(last, [])):
            after.add(last)
    return Points(cores, before, frozenset(after))


def collected(file: Path, inputs: "Iterable[Arrays]", observer: Observer) -> Ranges:
    """Run a file of floats on calibration inputs; see `coreml.collect`."""
    from mobilekit.runtime.coreml_reference.engine import ReferenceRunner

    package, runner = opened(file), ReferenceRunner(file)
    wanted: set[str] = set()
    for block in blocks(package.spec):
        points = points_of(list(block.operations))
        wanted |= {*points.before, *points.after}
    found, count = Ranges(observer), 0
    for count, arrays in enumerate(inputs, start=1):  # noqa: B007
        for name, array in _met(runner.run_all(arrays), arrays):
            if name in wanted:
                found.add(name, array)
    if not count:
        raise DataError("calibration: no inputs; give some images")
    return found


def in_floats(operations: "Iterable[Any]", points: Points) -> Counter[str]:
    """Count the operators, by type, that still compute in floats."""
    within = set(points.cores)
    found: Counter[str] = Counter()
    for one in operations:
        skipped = one.type in MOVES or one.type.startswith("constexpr_") or not _is_float(one)
        if skipped or one.outputs[0].name in within:
            continue
        if one.type in FUNCTIONS and argument(one, "x") in within:
            continue
        found[one.type] += 1
    return found


def bindings(operation: Any) -> Iterator[Any]:
    """Give what an operator takes, input after input."""
    for given in operation.inputs.values():
        yield from given.arguments


def _taken(operation: Any) -> Iterator[str]:
    yield from (binding.name for binding in bindings(operation) if binding.name)
    for block in operation.blocks:
        for one in block.operations:
            yield from _taken(one)


def _is_core(operation: Any, fixed: Collection[str]) -> bool:
    """Say whether an operator has an integer kernel for what it takes."""
    inputs = [argument(operation, port) for port in CORES.get(operation.type, "")]
    return bool(inputs) and not any(name in fixed for name in inputs) and _is_float(operation)


def _is_float(operation: Any) -> bool:
    return bool(operation.outputs) and type_of(operation.outputs[0].type) in FLOATS.values()


def _met(values: "dict[str, tuple[str, Array]]", inputs: "Arrays") -> "Iterator[tuple[str, Array]]":
    yield from inputs.items()
    for name, (_, value) in values.items():
        yield name, value
