"""Which compression methods exist: the files of `steps/` and `during/`; nothing registers anything."""

import importlib
import pkgutil
from typing import Literal

import msgspec

import mobilekit.compress.during
import mobilekit.compress.steps

Place = Literal["steps", "during"]


class Method(msgspec.Struct, frozen=True):
    """One compression method: its `kind`, where it may stand in a recipe, its first line."""

    kind: str
    place: Place
    summary: str


def methods() -> tuple[Method, ...]:
    """List every method, in the order of its name."""
    found = []
    for place, package in (
        ("steps", mobilekit.compress.steps),
        ("during", mobilekit.compress.during),
    ):
        for module in pkgutil.iter_modules(package.__path__):
            content = importlib.import_module(f"{package.__name__}.{module.name}")
            summary = (content.__doc__ or "").strip().partition("\n")[0]
            found.append(Method(module.name, place, summary))  # type: ignore[arg-type]
    return tuple(sorted(found, key=lambda method: (method.place, method.kind)))
