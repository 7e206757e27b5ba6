"""What a package holds: operator types and stored constants, without running anything."""

from collections.abc import Iterator
from typing import Any

from mobilekit.runtime.coreml_reference.loader import Package
from mobilekit.runtime.coreml_reference.steps import type_of

_BITS = {
    "uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "int4": 4, "uint6": 6, "int8": 8, "uint8": 8,
    "bool": 8, "int16": 16, "uint16": 16, "fp16": 16, "int32": 32, "uint32": 32, "fp32": 32,
    "int64": 64, "fp64": 64,
}  # fmt: skip


def operator_kinds(package: Package) -> Iterator[str]:
    """Give the type of each operator, constants left out."""
    for operation in _operations(package):
        if operation.op_type != "const":
            yield operation.op_type


def constants(package: Package) -> Iterator[tuple[str, int, int]]:
    """Give the element type, number of elements and stored bytes of each constant tensor."""
    for operation in _operations(package):
        if operation.op_type != "const":
            continue
        for variable in operation.outputs:
            if type_of(variable) not in _BITS or not variable.shape:
                continue  # texts, lists and scalars are parameters of operators
            kind = type_of(variable)
            count = 1
            for size in variable.shape:
                count *= int(size)
            yield kind, count, -(-count * _BITS.get(kind, 0) // 8)


def _operations(package: Package) -> Iterator[Any]:
    stack = list(package.program.functions.values())
    while stack:
        block = stack.pop()
        for operation in block.operations:
            yield operation
            stack.extend(operation.blocks)
