"""64-bit integers, which Core ML and LiteRT narrow to 32 bits without a word."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx

from mobilekit.export.rewrites.rule import Check, Refused

LIMITS = torch.iinfo(torch.int32)


def check_constants(node: fx.Node) -> None:
    """Refuse an int64 constant that 32 bits do not hold.

    Raises:
        Refused: such a number in a call, or such a stored tensor.
    """
    for value in (*_stored(node), *_written(node)):
        if not LIMITS.min <= value <= LIMITS.max:
            raise Refused(
                f"holds the int64 constant {value}, and the format narrows int64 to int32; compute it in"
                " float32, or in steps within ±2,147,483,647"
            )


def _stored(node: fx.Node) -> Iterator[int]:
    """Give the least and the largest number of a stored int64 tensor that is read."""
    if node.op != "get_attr" or not node.users:
        return
    value: Any = node.graph.owning_module
    for name in str(node.target).split("."):
        value = getattr(value, name)
    if isinstance(value, Tensor) and value.dtype == torch.int64 and value.numel():
        yield from (int(value.min()), int(value.max()))


def _written(node: fx.Node) -> Iterator[int]:
    """Give the whole numbers among the operands of a call that computes in int64."""
    called = node.target
    if not isinstance(called, torch._ops.OpOverload):  # noqa: SLF001
        return
    values = [one.meta.get("val") for one in (node, *node.all_input_nodes)]
    if not any(isinstance(value, Tensor) and value.dtype == torch.int64 for value in values):
        return
    for index, argument in enumerate(called._schema.arguments):  # noqa: SLF001
        given = node.args[index] if index < len(node.args) else node.kwargs.get(argument.name)
        operand = str(argument.type) in {"Tensor", "number", "Optional[number]"}
        if operand and isinstance(given, int) and not isinstance(given, bool):
            yield given


CHECKS: tuple[Check, ...] = (
    Check("int64-constant", frozenset({"coreml", "tflite"}), check_constants),
)
