"""Values that a model keeps between two runs."""

from typing import Any

from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler, OpContext


def read_state(*, input: Any, context: OpContext) -> Tensor:
    """Return the current value of a state."""
    return context.state[input.name]


def coreml_update_state(*, state: Any, value: Tensor, context: OpContext) -> Tensor:
    """Set a state, and return its new value."""
    context.state[state.name] = value.clone()
    return value


TABLE: dict[str, Handler] = {
    "read_state": read_state,
    "coreml_update_state": coreml_update_state,
}
