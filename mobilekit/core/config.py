"""How frozen values are read from TOML and JSON: unknown keys and wrong types name their path."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mobilekit.core.choices import explained
from mobilekit.core.errors import MobilekitError, RecipeError

Value = TypeVar("Value")


def from_mapping(
    content: Any, kind: type[Value] | Any, where: str, error: type[MobilekitError] = RecipeError
) -> Value:
    """Build a frozen value from plain data.

    Raises:
        RecipeError: or the given class; the line names `where` and the key path, and of words and keys
            which ones there are.
    """
    try:
        return msgspec.convert(content, kind, strict=True)
    except msgspec.ValidationError as problem:
        raise error(f"{where}: {explained(str(problem), kind)}") from problem


def read_toml(path: Path, kind: type[Value]) -> Value:
    """Read a frozen value from a TOML file.

    Raises:
        RecipeError: the file is missing, is no TOML, or does not fit.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise RecipeError(f"{path}: cannot be read ({problem.strerror})") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise RecipeError(f"{path}: is not valid TOML: {problem}") from problem
    return from_mapping(content, kind, str(path))
