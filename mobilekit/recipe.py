"""The whole of one run: net, steps, targets and seed, as one frozen value read from TOML."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mobilekit.compress.registry import step_of
from mobilekit.core import files
from mobilekit.core.config import from_mapping, read_toml
from mobilekit.core.errors import RecipeError
from mobilekit.core.targets import CoremlTarget, Target, TfliteTarget
from mobilekit.data.catalog import DataConfig
from mobilekit.nets.catalog import NetConfig

RECIPE = "recipe.toml"
TRAINING = frozenset({"train", "sparsify_by_sensitivity"})
"""Steps that learn from the data."""
HELD_OUT = "faces-hard"


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run of mobilekit; equal recipes have equal digests."""

    name: str
    net: NetConfig
    seed: int = 0
    targets: tuple[Target, ...] = (CoremlTarget(), TfliteTarget())
    steps: tuple[dict[str, Any], ...] = ()
    data: DataConfig | None = None
    """What is trained on and judged on."""
    judged: tuple[DataConfig, ...] = ()
    """Further data sets, never trained on: their test images are judged after each step, and with each file."""
    judged_images: Annotated[int, Meta(ge=1)] = 1000
    """Images of each set, at most, that are judged after each step, and with each file."""

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe's values, whatever their order in the file."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def digest_until(self, count: int) -> str:
        """SHA-256 of what the network is made of after its first steps: targets and further data do not count."""
        return digest_until(self.net, self.data, self.seed, self.steps[:count])


def digest_until(net: object, data: object, seed: int, steps: Sequence[dict[str, Any]]) -> str:
    """Return the SHA-256 of what a network is made of: equal values and equal files to begin with, equal weights.

    Args:
        net: its configuration.
        data: configuration of the data that are trained on.
        seed: of the run.
        steps: options of the steps so far.
    """
    file = getattr(net, "weights", None)
    begins = files.sha256(Path(file)) if isinstance(file, str) and Path(file).is_file() else ""
    made = (net, begins, data, seed, tuple(steps))
    return hashlib.sha256(msgspec.json.encode(made, order="sorted")).hexdigest()


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a file, or from the `recipe.toml` of a folder.

    Raises:
        RecipeError: missing file, bad TOML, unknown key or value (the key path is named), or a
            step whose `kind` is no method.
    """
    file = path / RECIPE if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        raise RecipeError(f"{path}: this folder has no {RECIPE}")
    return _checked(read_toml(file, Recipe), str(file))


def recipe_of(content: Any, where: str) -> Recipe:
    """Build a recipe from plain data.

    Raises:
        RecipeError: as `read_recipe`; the line begins with `where`.
    """
    return _checked(from_mapping(content, Recipe, where), where)


def _checked(recipe: Recipe, file: str) -> Recipe:
    for index, step in enumerate(recipe.steps):
        step_of(step, f"{file}: steps[{index}]")
        if step["kind"] == "train" and recipe.data is None:
            raise RecipeError(
                f"{file}: steps[{index}]: train needs a data set; add data = {{ kind = ... }}"
            )
        if step["kind"] in TRAINING and getattr(recipe.data, "style", "") == HELD_OUT:
            raise RecipeError(
                f"{file}: data: {HELD_OUT} is there to judge on, never to train on; name it in judged"
            )
    if recipe.judged and recipe.data is None:
        raise RecipeError(f"{file}: judged: needs a data set; add data = {{ kind = ... }}")
    if not recipe.targets:
        raise RecipeError(f"{file}: targets: a recipe needs at least one target")
    return recipe
