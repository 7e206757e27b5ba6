"""What an operator may need besides its inputs: declared types, nested blocks, state."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Handler = Callable[..., Any]
"""Keyword-only function of one MIL operator: its parameters are all that the operator may have."""


@dataclass(frozen=True)
class OpContext:
    """Given to handlers that have a parameter called `context`.

    Attributes:
        name: of the operator in the program.
        output_types: MIL type of each output, such as `fp16`, `fp32`, `int32`, `bool`.
        blocks: the operator's nested blocks, for `run_block`.
        run_block: runs a nested block on values for its inputs; returns the block's outputs.
        state: current value of each state of the model, by name.
    """

    name: str
    output_types: tuple[str, ...] = ()
    blocks: tuple[Any, ...] = ()
    run_block: Callable[[Any, tuple[Tensor, ...]], tuple[Tensor, ...]] = field(
        default=lambda _block, _values: ()
    )
    state: dict[str, Tensor] = field(default_factory=dict)
