"""A MIL block as a list of steps: handlers bound to constants and to names of earlier values."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops import OPERATORS


@dataclass(frozen=True)
class Ref:
    """The name of a value that an earlier step, or an input, gives."""

    name: str


@dataclass(frozen=True)
class Step:
    """One operator: what it is called with, and what it gives."""

    name: str
    kind: str
    handler: Handler
    arguments: dict[str, Any]
    """Parameter → constant, `Ref`, or a tuple of both."""
    outputs: tuple[str, ...]
    types: tuple[str, ...]
    shapes: tuple[tuple[Any, ...], ...]
    blocks: "tuple[Block, ...]"
    wants_context: bool
    constant: bool
    """Depends on constants alone: computed once."""
    frees: tuple[str, ...]
    """Values that no later step needs."""


@dataclass(frozen=True)
class Block:
    """Steps in order, with the names of what goes in and comes out."""

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]


def compiled(block: Any) -> Block:
    """Turn a MIL block (or function) into steps.

    Raises:
        ArtifactError: an operator or a parameter that the executor does not know.
    """
    return _compiled(block, {}, frozenset())


def _compiled(block: Any, constants: dict[str, Any], constant_names: frozenset[str]) -> Block:
    constants = dict(constants)
    fixed = set(constant_names)
    steps: list[Step] = []
    for operation in block.operations:
        if operation.op_type == "const":
            constants[operation.outputs[0].name] = value_of(operation.outputs[0])
            continue
        step = _step(operation, constants, fixed)
        if step.constant:
            fixed.update(step.outputs)
        steps.append(step)
    inputs = block.inputs
    names = inputs.keys() if isinstance(inputs, dict) else [variable.name for variable in inputs]
    outputs = tuple(variable.name for variable in block.outputs)
    passed = [_constant_step(name, constants[name]) for name in outputs if name in constants]
    return Block(tuple(names), _with_lifetimes((*passed, *steps), outputs), outputs)


def _step(operation: Any, constants: dict[str, Any], fixed: set[str]) -> Step:
    kind = operation.op_type
    if kind not in OPERATORS:
        raise ArtifactError(
            f"operator {kind} ({operation.name}): the reference executor does not know it"
        )
    handler = OPERATORS[kind]
    known = inspect.signature(handler).parameters
    arguments: dict[str, Any] = {}
    for name, value in operation.inputs.items():
        if value is None:
            continue
        if name not in known:
            raise ArtifactError(
                f"operator {kind} ({operation.name}): the reference executor does not know its"
                f" parameter {name!r}"
            )
        arguments[name] = _bound(value, constants)
    blocks = tuple(_compiled(block, constants, frozenset(fixed)) for block in operation.blocks)
    used = {ref.name for ref in _refs(arguments)}
    return Step(
        name=operation.name,
        kind=kind,
        handler=handler,
        arguments=arguments,
        outputs=tuple(variable.name for variable in operation.outputs),
        types=tuple(type_of(variable) for variable in operation.outputs),
        shapes=tuple(
            tuple(variable.shape or ()) for variable in operation.outputs if not _odd(variable)
        ),
        blocks=blocks,
        wants_context="context" in known,
        constant=not blocks and used <= fixed and not kind.startswith(("random_", "read_state")),
        frees=(),
    )


def value_of(variable: Any) -> Any:
    """Return a constant as handlers want it: scalars as Python values, the rest as tensors."""
    import numpy as np

    value = variable.val
    if isinstance(value, (str, bool, int, float)):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "US":
        return str(array) if array.ndim == 0 else [str(item) for item in array.ravel()]
    if array.dtype.kind == "O":
        return value
    if array.ndim == 0:
        return array.item()
    return to_tensor(array)


def to_tensor(array: Any) -> torch.Tensor:
    """Bring an array into torch: float16 as float32, other types as they are."""
    import numpy as np

    if array.dtype == np.float16:
        return torch.from_numpy(array.astype(np.float32))
    if array.dtype.kind in "fiub" and array.dtype.itemsize <= 8 and array.dtype.name in _NATIVE:
        return torch.from_numpy(np.array(array, copy=True))
    kind = np.float32 if array.dtype.kind == "f" else np.int32  # 1- to 6-bit integers, bfloat16
    return torch.from_numpy(array.astype(kind))


_NATIVE = {"float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"}


def type_of(variable: Any) -> str:
    """Return the MIL name of a value's element type."""
    from coremltools.converters.mil.mil import types

    try:
        return str(types.builtin_to_string(variable.dtype))
    except (KeyError, TypeError, AttributeError, ValueError):  # a list has no element type
        return ""


def _odd(variable: Any) -> bool:
    """Say whether a value has no shape: a list, a dictionary, a state."""
    from coremltools.converters.mil.mil.var import ListVar

    return isinstance(variable, ListVar) or not hasattr(variable, "shape")


def _bound(value: Any, constants: dict[str, Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_bound(part, constants) for part in value)
    if value.name in constants:
        return constants[value.name]
    if value.val is not None and value.op is None:
        return value_of(value)
    return Ref(value.name)


def _refs(arguments: dict[str, Any]) -> list[Ref]:
    found = []
    for value in arguments.values():
        parts = value if isinstance(value, tuple) else (value,)
        found += [part for part in parts if isinstance(part, Ref)]
    return found


def _constant_step(name: str, value: Any) -> Step:
    return Step(
        name,
        "const",
        lambda: value,
        {},
        (name,),
        ("",),
        (),
        (),
        wants_context=False,
        constant=True,
        frees=(),
    )


def _inner_refs(block: Block) -> set[str]:
    """Return what a nested block takes from outside by name."""
    inside = set(block.inputs)
    found: set[str] = set()
    for step in block.steps:
        found |= {ref.name for ref in _refs(step.arguments)} - inside
        for nested in step.blocks:
            found |= _inner_refs(nested) - inside
        inside |= set(step.outputs)
    return found | (set(block.outputs) - inside)


def _with_lifetimes(steps: tuple[Step, ...], outputs: tuple[str, ...]) -> tuple[Step, ...]:
    import dataclasses

    last: dict[str, int] = {}
    for index, step in enumerate(steps):
        names = {ref.name for ref in _refs(step.arguments)}
        for block in step.blocks:
            names |= _inner_refs(block)
        for name in (*names, *step.outputs):
            last[name] = index
    ends: dict[int, list[str]] = {}
    made = {name for step in steps for name in step.outputs}
    for name, index in last.items():
        if name in made and name not in outputs:
            ends.setdefault(index, []).append(name)
    return tuple(
        dataclasses.replace(step, frees=tuple(ends.get(index, ())))
        for index, step in enumerate(steps)
    )
