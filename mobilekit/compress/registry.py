"""Which compression methods exist: the files of `steps/` and `during/`; nothing registers anything."""

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

import mobilekit.compress.during
import mobilekit.compress.steps
from mobilekit.core.config import from_mapping

if TYPE_CHECKING:
    from mobilekit.compress.base import Step

Place = Literal["steps", "during"]


class Method(msgspec.Struct, frozen=True):
    """One compression method: its `kind`, where it may stand in a recipe, its first line."""

    kind: str
    place: Place
    summary: str


def methods() -> tuple[Method, ...]:
    """List every method, in the order of its name; nothing is imported for it."""
    found = []
    for place, package in (
        ("steps", mobilekit.compress.steps),
        ("during", mobilekit.compress.during),
    ):
        for module in pkgutil.iter_modules(package.__path__):
            source = Path(module.module_finder.path, f"{module.name}.py")  # type: ignore[union-attr]
            words = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
            found.append(Method(module.name, place, words.partition("\n")[0]))  # type: ignore[arg-type]
    return tuple(sorted(found, key=lambda method: (method.place, method.kind)))


def step_of(options: dict[str, Any], where: str) -> "Step":
    """Build a step from its options, `kind` among them.

    Raises:
        RecipeError: an unknown option, or a value that does not fit; the key path is named.
    """
    kind = options["kind"]
    module = importlib.import_module(f"mobilekit.compress.steps.{kind}")
    name = "".join(part.capitalize() for part in kind.split("_"))
    rest = {key: value for key, value in options.items() if key != "kind"}
    made: Step = from_mapping(rest, getattr(module, name), where)
    return made
