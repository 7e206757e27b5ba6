"""The values that operator handlers take and give, and how their arguments are read.

A handler is a keyword-only function, one per MIL operator. Tensors come as tensors (float16 widened
to float32), a constant without axes as a Python number or string, and a variadic input as a tuple.
A parameter that may be either a number or a tensor is a `Number`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from mobilekit.core.errors import ArtifactError

Number: TypeAlias = Tensor | float
"""A tensor, or a constant without axes (a bool and an int are floats to the type checker)."""


@dataclass(frozen=True)
class TensorList:
    """A MIL list: tensors of one shape; `dynamic` ones grow when written past their end."""

    items: tuple[Tensor, ...]
    blank: Tensor | None
    dynamic: bool


Value: TypeAlias = Tensor | TensorList


def refused(operator: str, parameter: str, value: object, expected: str) -> ArtifactError:
    """Return the error for a parameter whose value no handler may guess at.

    >>> str(refused("pad", "mode", "wrap", "is none of constant, reflect, replicate"))
    "operator pad: mode = 'wrap' is none of constant, reflect, replicate"
    """
    return ArtifactError(f"operator {operator}: {parameter} = {value!r} {expected}")


def tensor(value: Number) -> Tensor:
    """Return the value as a tensor; numbers become bool, int32 or float32 without axes."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, bool):
        return torch.tensor(value)
    return torch.tensor(value, dtype=torch.int32 if isinstance(value, int) else torch.float32)


def integer(value: Number) -> int:
    """Return a number, or a tensor of one element, as an int."""
    return int(value.item()) if isinstance(value, Tensor) else int(value)


def real(value: Number) -> float:
    """Return a number, or a tensor of one element, as a float."""
    return float(value.item()) if isinstance(value, Tensor) else float(value)


def flag(value: Number) -> bool:
    """Return a number, or a tensor of one element, as a bool."""
    return bool(value.item()) if isinstance(value, Tensor) else bool(value)


def integers(value: Number | Sequence[Number]) -> list[int]:
    """Return a vector (or a single number) as a list of ints.

    >>> integers(torch.tensor([1, -1])), integers(3)
    ([1, -1], [3])
    """
    if isinstance(value, Tensor):
        return [int(item) for item in value.reshape(-1).tolist()]
    if isinstance(value, Sequence):
        return [integer(item) for item in value]
    return [int(value)]


def position(operator: str, axis: Number, rank: int, parameter: str = "axis") -> int:
    """Return an axis counted from the front.

    Raises:
        ArtifactError: the axis is outside [-rank, rank).
    """
    found = integer(axis)
    if not -rank <= found < rank:
        raise refused(operator, parameter, found, f"is outside [{-rank}, {rank})")
    return found % rank


def positions(operator: str, axes: Number | Sequence[Number], rank: int) -> list[int]:
    """Return several axes counted from the front, in the order given.

    Raises:
        ArtifactError: an axis is outside [-rank, rank).
    """
    return [position(operator, axis, rank, "axes") for axis in integers(axes)]


def several(value: Any) -> tuple[Any, ...]:
    """Return a variadic input as a tuple, also where it has a single part."""
    return tuple(value) if isinstance(value, tuple | list) else (value,)
