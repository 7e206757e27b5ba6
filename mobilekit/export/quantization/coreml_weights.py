"""Which constants of a package are weights, and which form fits each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mobilekit.core.quantization import Form
from mobilekit.export.quantization.coreml_encoding import Constant, Encoded, floats
from mobilekit.export.quantization.coreml_integers import integers
from mobilekit.export.quantization.coreml_package import Blobs, Package, blocks, shape_of, type_of
from mobilekit.export.quantization.coreml_palettes import palette, signs
from mobilekit.export.quantization.coreml_sparse import sparse

_TAKE = {
    "conv": ("weight",),
    "conv_transpose": ("weight",),
    "linear": ("weight",),
    "matmul": ("x", "y"),
    "gather": ("x",),
}
"""Operator → its inputs that may be weights."""


@dataclass(frozen=True)
class Weight:
    """A constant that is the weights of operators, and where it stands."""

    constant: Constant
    block: Any
    """Of the specification (protobuf)."""
    operation: Any
    """The constant's own, in that block."""
    takers: tuple[Any, ...]
    """The operators that take it."""


def weights_of(package: Package, blobs: Blobs) -> Iterator[Weight]:
    """Give the weights of a package: constants of floats with at least two axes that operators take."""
    for block in blocks(package.spec):
        constants = {
            operation.outputs[0].name: operation
            for operation in block.operations
            if operation.type == "const" and _is_weights(operation)
        }
        takers: dict[str, list[tuple[Any, str]]] = {}
        for operation in block.operations:
            for port in _TAKE.get(operation.type, ()):
                name = argument(operation, port)
                if name in constants:
                    takers.setdefault(name, []).append((operation, port))
        for name, found in takers.items():
            values = blobs.read(constants[name].attributes["val"])
            output, inputs = _axes(*found[0], values.shape, _flags(block))
            kinds = tuple(operation.type for operation, _ in found)
            constant = Constant(name, values, output, inputs, package.modern, kinds)
            yield Weight(constant, block, constants[name], tuple(one for one, _ in found))


def argument(operation: Any, port: str) -> str:
    """Return the name that an operator takes at an input; nothing where it takes none."""
    if port not in operation.inputs or not operation.inputs[port].arguments:
        return ""
    return str(operation.inputs[port].arguments[0].name)


def refusal(constant: Constant, form: Form) -> str:
    """Say why a constant cannot have a form; nothing where it can."""
    outputs, inputs = (constant.values.shape[axis] for axis in (constant.output, constant.input))
    weights = form.weights
    if weights.granularity == "block" and inputs % weights.block:
        return f"{inputs} inputs are no multiple of blocks of {weights.block}"
    if weights.group and outputs % weights.group:
        return f"{outputs} output channels are no multiple of groups of {weights.group}"
    if form.pattern is not None and inputs % form.pattern[1]:
        return f"{inputs} inputs are no multiple of {form.pattern[1]}"
    if not np.isfinite(constant.values).all():
        return "weights are infinite, or no numbers"
    return ""


def encoded(constant: Constant, form: Form) -> Encoded:
    """Encode weights in a form that fits them."""
    if form.sparsity:
        return sparse(constant, form)
    if form.weights.encoding == "float16":
        return floats(constant)
    ways: Mapping[str, Callable[..., Encoded]] = {
        "int": integers, "palette": palette, "binary": signs, "ternary": signs,
    }  # fmt: skip
    return ways[form.weights.encoding](constant, form.weights)


def floor_bytes(constant: Constant, form: Form, left: int) -> int:
    """Return the least bytes that a form needs: weights, scales, tables and a mask.

    Args:
        constant: the weights.
        form: what is asked for them.
        left: weights that are not left out.
    """
    shape, weights = constant.values.shape, form.weights
    width = constant.values.itemsize
    outputs = shape[constant.output]
    bits = left * (weights.bits or 8 * width) + (constant.values.size if form.sparsity else 0)
    shared = {"tensor": 1, "channel": outputs}
    if weights.encoding == "int":
        blocks_ = outputs * (shape[constant.input] // max(weights.block, 1))
        extra = shared.get(weights.granularity, blocks_)
    elif weights.encoding == "palette":
        tables = outputs // weights.group if weights.group else 1
        extra = tables * 2**weights.bits + (outputs if weights.scaled else 0)
    else:
        extra = outputs * 2**weights.bits if weights.encoding in {"binary", "ternary"} else 0
    return int(-(-bits // 8) + extra * width)


def _is_weights(operation: Any) -> bool:
    value = operation.attributes["val"]
    return (
        value.HasField("blobFileValue")
        and type_of(value.type) in {"FLOAT16", "FLOAT32"}
        and len(shape_of(value.type)) > 1
    )


def _flags(block: Any) -> dict[str, bool]:
    """Return the truth values among the constants of a block."""
    return {
        operation.outputs[0].name: operation.attributes["val"].immediateValue.tensor.bools.values[0]
        for operation in block.operations
        if operation.type == "const"
        and len(operation.attributes["val"].immediateValue.tensor.bools.values) == 1
    }


def _axes(
    operation: Any, port: str, shape: tuple[int, ...], flags: Mapping[str, bool]
) -> tuple[int, int]:
    """Return the axes of output channels and of inputs of an operator's weights."""
    if operation.type == "conv_transpose":  # [I, O / groups, …]: depthwise, the first is both
        return (1, 0) if shape[1] > 1 else (0, 1)
    if operation.type != "matmul":
        return 0, 1
    last, before = len(shape) - 1, len(shape) - 2
    flipped = flags.get(argument(operation, f"transpose_{port}"), False)
    return (last, before) if (port == "y") != flipped else (before, last)
