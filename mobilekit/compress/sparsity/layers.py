"""Which layers a method acts on: those of a kind whose names match."""

import fnmatch
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.utils import parametrize

from mobilekit.core.errors import ModelError, RecipeError, suggestion

Kind = TypeVar("Kind", bound=nn.Module)


def chosen(
    layers: Mapping[str, Kind], patterns: Collection[str], without: Collection[str], what: str
) -> dict[str, Kind]:
    """Return the layers that a pattern matches, all where there is none, but for those left alone.

    Args:
        layers: by name.
        patterns: such as `features.*`.
        without: patterns of names that are left alone.
        what: the method, for messages.

    Raises:
        RecipeError: a pattern that matches no layer.
    """
    wanted = matching(layers, patterns, what) if patterns else set(layers)
    wanted -= matching(layers, without, what)
    return {name: layer for name, layer in layers.items() if name in wanted}


def matching(names: Iterable[str], patterns: Collection[str], what: str) -> set[str]:
    """Return the names that some pattern matches.

    Raises:
        RecipeError: a pattern that matches none.
    """
    names, found = list(names), set()
    for pattern in patterns:
        matched = fnmatch.filter(names, pattern)
        if not matched:
            raise RecipeError(
                f"{what}: {pattern!r} matches no layer of its kind.{suggestion(pattern, names)}"
            )
        found.update(matched)
    return found


def parameter_of(name: str, module: nn.Module, attribute: str = "weight") -> tuple[str, Tensor]:
    """Return name and tensor of a layer's parameter; of a parametrized one, what is stored.

    Raises:
        ModelError: a weight that is computed from several others.
    """
    path = f"{name}.{attribute}".lstrip(".")
    if not parametrize.is_parametrized(module, attribute):
        weight: Tensor = getattr(module, attribute)
        return path, weight
    kept = getattr(module.parametrizations, attribute)
    if not hasattr(kept, "original"):
        raise ModelError(
            f"{path} is computed from several weights; make that permanent first, or leave it out"
        )
    original: Tensor = kept.original
    return f"{name}.parametrizations.{attribute}.original".lstrip("."), original
