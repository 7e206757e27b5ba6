"""The operator table: one file per family, one function per MIL operator.

A handler's keyword parameters are all that the operator may have; another one is refused by name.
Tensors arrive as torch tensors (float16 values as float32), constants as Python values where they
are scalars and as tensors otherwise, variadic inputs as tuples.
"""

import importlib
import pkgutil

from mobilekit.runtime.coreml_reference.context import Handler


def _collected() -> dict[str, Handler]:
    table: dict[str, Handler] = {}
    for module in pkgutil.iter_modules(__path__):
        family = importlib.import_module(f"{__name__}.{module.name}")
        for name, handler in getattr(family, "TABLE", {}).items():
            if name in table:
                raise AssertionError(f"operator {name} stands in two files")
            table[name] = handler
    return table


OPERATORS: dict[str, Handler] = _collected()
