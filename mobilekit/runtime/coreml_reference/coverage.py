"""Which MIL operators the executor runs, and which of coremltools' it lacks."""

from mobilekit.runtime.coreml_reference.loader import quiet_coremltools
from mobilekit.runtime.coreml_reference.ops import OPERATORS

NOT_COMPUTED = frozenset({"const"})
"""Read by the loader; nothing to run."""


def supported_operators() -> tuple[str, ...]:
    """List the MIL operators that the executor runs."""
    return tuple(sorted(OPERATORS))


def missing_operators() -> tuple[str, ...]:
    """List the operators of coremltools' core sets (iOS 13–26) that the executor lacks."""
    quiet_coremltools()
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    known = set(SSAOpRegistry.core_ops)
    return tuple(sorted(known - set(OPERATORS) - NOT_COMPUTED))
