"""A reference executor for saved `.mlpackage` files: MIL operator by operator, on any machine.

It proves what the *program* computes. It is not Apple's kernels: how the Neural Engine accumulates,
and how Apple rounds resize positions, needs a Mac.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mobilekit.runtime.coreml_reference.coverage import (
        missing_operators,
        supported_operators,
    )
    from mobilekit.runtime.coreml_reference.engine import ReferenceRunner

__all__ = ["ReferenceRunner", "missing_operators", "supported_operators"]


def __getattr__(name: str) -> Any:
    """Import the engine when it is first needed: torch and coremltools are heavy."""
    import importlib

    places = {
        "ReferenceRunner": "engine",
        "missing_operators": "coverage",
        "supported_operators": "coverage",
    }
    if name not in places:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{places[name]}"), name)
