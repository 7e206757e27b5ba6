"""From a run's artifact to a network that ships: weights, figures and card beside the recipe."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.artifact import Manifest
from mobilekit.core.errors import ArtifactError, RecipeError
from mobilekit.core.reports import MetricReport
from mobilekit.core.targets import format_of, variant_of
from mobilekit.nets.shipped import KEY, MOST_BYTES, WEIGHTS, digest_of
from mobilekit.report import card

if TYPE_CHECKING:
    from torch import Tensor

    from mobilekit.recipe import Recipe

METRICS = "metrics.json"
CARD = "README.md"
SAMPLED = 64
"""Training images whose pixels and targets stand for the data set."""
PREFIX = re.compile(r"^net\.")


class Shipping(msgspec.Struct, frozen=True):
    """What was written, and where."""

    folder: str
    weights_bytes: int
    weights_sha256: str
    data_sha256: str


def ship(built: Path, folder: Path, progress: Callable[[str], None]) -> Shipping:
    """Put a trained network's weights, figures and card beside its recipe.

    Args:
        built: the artifact that the recipe made.
        folder: of the recipe.
        progress: called with what is being done.

    Raises:
        RecipeError: no recipe there, or the artifact was made by another one.
        ArtifactError: no whole artifact, a network that is no longer the one of the recipe's `net` (pruned,
            specialized), or weights that are too large to ship.
    """
    from mobilekit.recipe import read_recipe

    recipe = read_recipe(folder)
    manifest = artifact.read_manifest(built)
    artifact.check_files(built, manifest)
    if manifest.recipe_digest != recipe.digest:
        raise RecipeError(
            f"{built}: was made by another recipe than {folder} holds; run `mobilekit run {folder}` again"
        )
    progress("reading the weights")
    state = _state(built, recipe)
    progress("reading the data")
    data = data_digest(recipe)
    said = {
        "net": digest_of(recipe.net),
        "recipe": recipe.digest,
        "made_of": recipe.digest_until(len(recipe.steps)),
        "seed": str(recipe.seed),
        "parameters": str(manifest.cost.params),
        "macs": str(manifest.cost.macs),
        "data_sha256": data,
        "tools": json.dumps(manifest.tools, sort_keys=True),
    }
    content = _safetensors(state, said)
    if len(content) > MOST_BYTES:
        raise ArtifactError(
            f"{built}: its weights take {len(content):,} bytes; at most {MOST_BYTES:,} ship"
        )
    files.write_bytes(folder / WEIGHTS, content)
    figures = figures_of(manifest, recipe, data)
    files.write_text(folder / METRICS, json.dumps(figures, indent=2) + "\n")
    _write_card(folder / CARD, card.figures(manifest))
    digest = files.sha256(folder / WEIGHTS)
    return Shipping(str(folder), len(content), digest, data)


def data_digest(recipe: "Recipe") -> str:
    """Return the SHA-256 of the first training images of a recipe's data, with their targets.

    It changes with the data's configuration and with whatever draws or reads the images.
    """
    import hashlib

    from mobilekit.data.catalog import open_data

    if recipe.data is None:
        raise RecipeError(f"{recipe.name}: has no data set; only what was trained can ship")
    train, _ = open_data(recipe.data)
    found = hashlib.sha256(msgspec.json.encode(recipe.data, order="sorted"))
    for index in range(min(SAMPLED, len(train))):
        image, target = train[index]
        found.update(image.numpy().tobytes())
        for value in target.values() if isinstance(target, dict) else (target,):
            found.update(value.numpy().tobytes())
    return found.hexdigest()


def figures_of(manifest: Manifest, recipe: "Recipe", data: str) -> dict[str, Any]:
    """Return what `metrics.json` says: figures after each step, and of each file."""
    return {
        "name": recipe.name,
        "recipe_digest": recipe.digest,
        "made_of": recipe.digest_until(len(recipe.steps)),
        "seed": recipe.seed,
        "data_sha256": data,
        "parameters": manifest.cost.params,
        "macs": manifest.cost.macs,
        "steps": [
            {
                "step": step.kind,
                "notes": list(step.notes),
                "metrics": [_metric(one) for one in step.metrics],
            }
            for step in manifest.steps
        ],
        "files": [
            {
                "format": format_of(file.target),
                "form": variant_of(file.target),
                "size_bytes": file.size_bytes,
                "verdict": file.parity.verdict,
                "metrics": [_metric(one) for one in (file.metric, *file.elsewhere) if one],
            }
            for file in manifest.files
        ],
        "tools": manifest.tools,
    }


def _metric(report: MetricReport) -> dict[str, Any]:
    return {
        "data": report.data,
        "images": report.images,
        "figures": {name: round(value, 4) for name, value in report.figures.items()},
        "per_class": {
            name: {figure: round(value, 4) for figure, value in found.items()}
            for name, found in report.per_class.items()
        },
    }


def _state(built: Path, recipe: "Recipe") -> "dict[str, Tensor]":
    """Return the weights of an artifact's program by the names that the recipe's network gives them."""
    from mobilekit.nets.sources import load_config
    from mobilekit.runtime import program as programs

    exported = programs.load(built / artifact.PROGRAM).exported
    found = {PREFIX.sub("", name): value for name, value in exported.state_dict.items()}
    source = load_config(recipe.net, name=recipe.name, arguments={}, weights=None, seed=recipe.seed)
    own = source.module.state_dict()
    wrong = [
        name
        for name in own
        if not name.endswith("num_batches_tracked")
        and (name not in found or found[name].shape != own[name].shape)
    ]
    if wrong:
        raise ArtifactError(
            f"{built}: is no longer the network of the recipe's `net` ({', '.join(wrong[:3])}); only"
            " steps that keep its structure, such as train, can be shipped"
        )
    return {name: found.get(name, own[name]).detach().contiguous() for name in own}


def _safetensors(state: "dict[str, Tensor]", said: dict[str, str]) -> bytes:
    from safetensors.torch import save

    content: bytes = save(state, {KEY: json.dumps(said)})
    return content


def _write_card(path: Path, text: str) -> None:
    """Put the figures into the card, where its marks are; a card without marks gets them at its end."""
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    files.write_text(path, card.placed(old, text))
