"""An exported network where the sample apps find it.

Each app has a folder of bundled networks; a bundle is a folder in it, named after its network, with the manifest,
the golden vectors, the model files that the app's system runs, and what all that was made of. A new folder is a
new network in the app.
"""

import contextlib
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.artifact import Manifest
from mobilekit.core.errors import ArtifactError
from mobilekit.core.targets import Target
from mobilekit.nets import shipped
from mobilekit.pipeline.request import with_variants

ORIGIN = "origin.json"


class Place(NamedTuple):
    """Where an app keeps its networks, and of which kind they are."""

    app: str
    """Folder that says that the app is there."""
    models: str
    suffix: str


PLACES = (
    Place("ios/MobileKitDemo", "ios/MobileKitDemo/Models", ".mlpackage"),
    Place("android/app/src/main", "android/app/src/main/assets/models", ".tflite"),
)


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a bundle was made of; the texts are empty where `models/` has no such network."""

    seal: str
    """Of the manifest."""
    recipe: str = ""
    """Digest of the recipe in `models/`."""
    weights_sha256: str = ""
    """Of the weights that ship with it."""


def check_apps(apps: Path) -> None:
    """Make sure that a folder is the one of the sample apps.

    Raises:
        ArtifactError: it is not.
    """
    for place in PLACES:
        if not (apps / place.app).is_dir():
            raise ArtifactError(
                f"{apps}: is not the folder of the sample apps (it has no {place.app}); name mobilekit's apps/"
            )


def targets_for_apps(reference: str, asked: tuple[Target, ...]) -> tuple[Target, ...]:
    """Return what is exported for the apps where nothing else is said.

    Args:
        reference: network that is exported.
        asked: the formats that are usual, and what the command line quantizes.

    Returns:
        Of a network that ships what its recipe names, so that each machine makes the same bundle; of others
        what was asked.

    Raises:
        RecipeError: a recipe that cannot be read.
    """
    from mobilekit.recipe import read_recipe

    found = shipped.find_shipped(reference)
    named = read_recipe(found.folder).targets if found else ()
    return with_variants(named, asked) if named else asked


def arguments_for_apps(reference: str, given: dict[str, str]) -> dict[str, str]:
    """Let a network that ships tell where it looks, if it can: the apps draw that. What is given goes before."""
    found = shipped.find_shipped(reference)
    looks = getattr(found.config, "self_attention", False) if found else False
    return {"attention_map": "true"} | given if looks else given


def bundle(built: Path, apps: Path) -> tuple[Path, ...]:
    """Copy what the apps need of an artifact into both; former bundles stay when anything fails.

    Args:
        built: the artifact.
        apps: folder of the sample apps.

    Returns:
        The two bundles.

    Raises:
        ArtifactError: no folder of apps, or an artifact that is damaged, has a file that does not compute what
            the network computes, or none that an app could run.
        OutputError: a bundle cannot be written.
    """
    check_apps(apps)
    manifest = artifact.read_manifest(built)
    artifact.check_files(built, manifest)
    _check_good(built, manifest)
    origin = json.dumps(msgspec.to_builtins(_origin(manifest)), indent=2) + "\n"
    targets = tuple(apps / place.models / manifest.name for place in PLACES)
    with contextlib.ExitStack() as stack:
        for place, target in zip(PLACES, targets, strict=True):
            fresh = stack.enter_context(files.replacing(target))
            for name in (artifact.MANIFEST, *digests_of(manifest, place)):
                _copy(built / name, fresh / name)
            files.write_text(fresh / ORIGIN, origin)
    return targets


def digests_of(manifest: Manifest, place: Place) -> dict[str, str]:
    """Return which parts of an artifact an app needs beside the manifest: path → SHA-256."""
    models = {file.path: file.sha256 for file in manifest.files if file.path.endswith(place.suffix)}
    return models | manifest.golden_sha256


def shipping(name: str) -> tuple[str, str]:
    """Return the digest of a network's recipe in `models/`, and of its weights; empty where there are none.

    Raises:
        RecipeError: a recipe that cannot be read.
    """
    from mobilekit.recipe import RECIPE, read_recipe

    folder = shipped.models_folder()
    if folder is None or not (folder / name / RECIPE).is_file():
        return "", ""
    weights = folder / name / shipped.WEIGHTS
    return read_recipe(folder / name).digest, files.sha256(weights) if weights.is_file() else ""


def _origin(manifest: Manifest) -> Origin:
    """Say what an artifact was made of: a network that ships, a recipe that trained just now, or neither."""
    recipe, weights = shipping(manifest.name)
    if manifest.weights == "shipped":
        return Origin(manifest.seal, recipe, weights)
    if recipe and manifest.recipe_digest == recipe:
        return Origin(manifest.seal, recipe)
    return Origin(manifest.seal)


def _check_good(built: Path, manifest: Manifest) -> None:
    wrong = [failure.reason for failure in manifest.failures]
    wrong += [
        f"{file.path}: {file.parity.reason}"
        for file in manifest.files
        if file.parity.verdict == "fail"
    ]
    if wrong:
        raise ArtifactError(f"{built}: is not bundled, since not all of it is good ({wrong[0]})")
    for place in PLACES:
        if not any(file.path.endswith(place.suffix) for file in manifest.files):
            raise ArtifactError(
                f"{built}: has no {place.suffix} file for the app in {place.app}; export to coreml,tflite"
            )


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, with the permissions that new files have."""
    parts = [p for p in source.rglob("*") if p.is_file()] if source.is_dir() else [source]
    for part in parts:
        place = target / part.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(part, place)
