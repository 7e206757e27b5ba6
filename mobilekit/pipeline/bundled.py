"""Whether the networks in the sample apps are still those that ship."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.config import from_mapping
from mobilekit.core.errors import ArtifactError
from mobilekit.pipeline.bundling import (
    ORIGIN,
    PLACES,
    Origin,
    Place,
    check_apps,
    digests_of,
    shipping,
)


class Stale(msgspec.Struct, frozen=True):
    """A bundled network that is damaged, or no longer the one that ships."""

    name: str
    reason: str


class Bundles(msgspec.Struct, frozen=True):
    """The networks that are bundled, and which of them are stale."""

    names: tuple[str, ...]
    stale: tuple[Stale, ...]


def check_bundles(apps: Path) -> Bundles:
    """Compare the bundled networks with their manifests, and with the recipes and weights of `models/`.

    Args:
        apps: folder of the sample apps.

    Raises:
        ArtifactError: no folder of apps.
        RecipeError: a recipe that cannot be read.
    """
    check_apps(apps)
    names = sorted({name for place in PLACES for name in _names(apps / place.models)})
    reasons = ((name, next(_reasons(apps, name), "")) for name in names)
    return Bundles(tuple(names), tuple(Stale(name, reason) for name, reason in reasons if reason))


def _names(models: Path) -> list[str]:
    """Return the bundles of one app; what begins with a dot is left by a process that was killed."""
    if not models.is_dir():
        return []
    return [one.name for one in models.iterdir() if one.is_dir() and not one.name.startswith(".")]


def _reasons(apps: Path, name: str) -> Iterator[str]:
    """Say what is wrong with a bundle; the first is enough."""
    origins = []
    for place in PLACES:
        folder = apps / place.models / name
        try:
            origins.append(_checked(folder, place))
        except ArtifactError as problem:
            yield str(problem)
            return
    if len(set(origins)) > 1:
        yield "the two apps hold different exports of it"
    found, now = origins[0], shipping(name)
    if (found.recipe, found.weights_sha256) == now:
        return
    if not found.recipe:
        yield f"is not the network models/{name}, but has its name"
    elif not now[0]:
        yield f"models/{name} is no more"
    elif found.recipe != now[0]:
        yield f"the recipe in models/{name} is another than it was made of"
    else:
        yield f"the weights in models/{name} are others than it was made of"


def _checked(folder: Path, place: Place) -> Origin:
    """Return what a bundle says that it was made of, after looking at its files.

    Raises:
        ArtifactError: it is missing, damaged, or holds what its manifest does not list.
    """
    manifest = artifact.read_manifest(folder)
    try:
        content = msgspec.json.decode((folder / ORIGIN).read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ArtifactError(f"{folder / ORIGIN}: cannot be read ({problem})") from problem
    origin: Origin = from_mapping(content, Origin, str(folder / ORIGIN), ArtifactError)
    if origin.seal != manifest.seal:
        raise ArtifactError(f"{folder / ORIGIN}: belongs to another {artifact.MANIFEST}")
    for path, digest in digests_of(manifest, place).items():
        if not (folder / path).exists() or files.sha256(folder / path) != digest:
            raise ArtifactError(
                f"{folder / path}: is missing or not what {artifact.MANIFEST} describes"
            )
    return origin
