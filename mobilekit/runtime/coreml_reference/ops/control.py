"""Constants, branches, loops and lists.

Source: the operator definitions of coremltools (`iOS15`, control_flow). The functions of a branch
or loop are nested blocks in a file: `cond` has the true and the false block, `while_loop` the
condition and the body.
"""

from typing import Any

import torch
from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler, OpContext
from mobilekit.runtime.coreml_reference.ops.values import (
    Number,
    TensorList,
    Value,
    flag,
    integer,
    integers,
    refused,
    several,
    tensor,
)

_ELEMENT_TYPES = {
    "bool": torch.bool,
    "fp16": torch.float32,
    "fp32": torch.float32,
    "int32": torch.int32,
}


def const(*, val: Value) -> Value:
    """Return the constant itself."""
    return val


def cond(*, pred: Number, context: OpContext) -> tuple[Any, ...]:
    """Return the outputs of the first block if the predicate is true, else of the second."""
    when_true, when_false = context.blocks
    return tuple(context.run_block(when_true if flag(pred) else when_false, ()))


def while_loop(*, loop_vars: tuple[Any, ...], context: OpContext) -> tuple[Any, ...]:
    """Replace the variables by the body's outputs as long as the condition block says true."""
    condition, body = context.blocks
    values = several(loop_vars)
    while _true(context, condition, values):
        values = tuple(context.run_block(body, values))
    return values


def make_list(
    *,
    elem_shape: tuple[Number | str, ...],
    init_length: Number = 1,
    dynamic_length: Number = True,
    dtype: str = "fp32",
) -> TensorList:
    """Return a list of zeros; of empty places where the shape of its elements has symbols.

    Raises:
        ArtifactError: an unknown type.
    """
    if dtype not in _ELEMENT_TYPES:
        raise refused("make_list", "dtype", dtype, f"is none of {', '.join(_ELEMENT_TYPES)}")
    sizes = [size for size in several(elem_shape) if not isinstance(size, str)]
    symbolic = len(sizes) < len(several(elem_shape))
    shape = [] if symbolic else [size for part in sizes for size in integers(part)]
    blank = None if symbolic else torch.zeros(shape, dtype=_ELEMENT_TYPES[dtype])
    empty = torch.empty(0) if blank is None else blank
    return TensorList((empty,) * integer(init_length), blank, flag(dynamic_length))


def list_length(*, ls: TensorList) -> Tensor:
    """Return the number of elements, without axes."""
    return torch.tensor(len(ls.items), dtype=torch.int32)


def list_write(*, ls: TensorList, index: Number, value: Number) -> TensorList:
    """Return the list with one element replaced; a dynamic one grows to hold it.

    Raises:
        ArtifactError: an index outside a list of fixed length.
    """
    return _written("list_write", ls, [integer(index)], tensor(value)[None])


def list_read(*, ls: TensorList, index: Number) -> Tensor:
    """Return one element.

    Raises:
        ArtifactError: an index outside the list.
    """
    return ls.items[_place("list_read", "index", ls, integer(index))]


def list_gather(*, ls: TensorList, indices: Number) -> Tensor:
    """Return elements stacked along a new first axis.

    Raises:
        ArtifactError: an index outside the list.
    """
    places = [_place("list_gather", "indices", ls, index) for index in integers(indices)]
    return torch.stack([ls.items[place] for place in places])


def list_scatter(*, ls: TensorList, indices: Number, value: Tensor) -> TensorList:
    """Return the list with value[k] at indices[k]; a dynamic one grows to hold them.

    Raises:
        ArtifactError: an index outside a list of fixed length, or not one value per index.
    """
    places = integers(indices)
    if len(places) != value.shape[0]:
        raise refused("list_scatter", "indices", places, f"for {value.shape[0]} values")
    return _written("list_scatter", ls, places, value)


def _true(context: OpContext, condition: object, values: tuple[Any, ...]) -> bool:
    (answer,) = context.run_block(condition, values)
    return flag(answer)


def _written(operator: str, ls: TensorList, places: list[int], values: Tensor) -> TensorList:
    items = list(ls.items)
    for place, value in zip(places, values, strict=True):
        if place < 0 or (place >= len(items) and not ls.dynamic):
            raise refused(operator, "index", place, f"is outside a list of {len(items)}")
        blank = torch.zeros_like(value) if ls.blank is None else ls.blank
        items.extend([blank] * (place + 1 - len(items)))
        items[place] = value
    return TensorList(tuple(items), ls.blank, ls.dynamic)


def _place(operator: str, parameter: str, ls: TensorList, index: int) -> int:
    if not 0 <= index < len(ls.items):
        raise refused(operator, parameter, index, f"is outside a list of {len(ls.items)}")
    return index


TABLE: dict[str, Handler] = {
    "cond": cond,
    "const": const,
    "list_gather": list_gather,
    "list_length": list_length,
    "list_read": list_read,
    "list_scatter": list_scatter,
    "list_write": list_write,
    "make_list": make_list,
    "while_loop": while_loop,
}
