"""Trained networks that ship: a recipe and its weights, in a folder of `models/`."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import UNSET

import mobilekit
from mobilekit.core.config import read_toml
from mobilekit.core.errors import ModelError
from mobilekit.data.catalog import DataConfig, FilesConfig
from mobilekit.nets.catalog import NetConfig

RECIPE = "recipe.toml"
WEIGHTS = "weights.safetensors"
KEY = "mobilekit"
"""In the metadata of the weights: one text, since the order of several is not kept."""
MOST_BYTES = 2_000_000
"""Of a file of weights that ships."""


class _Recipe(msgspec.Struct, frozen=True):
    """The part of a recipe that says which network it is, and what it has learned."""

    name: str
    net: NetConfig
    data: DataConfig | None = None


class _Header(msgspec.Struct, frozen=True):
    """The part of a file's header that says what it is."""

    said: dict[str, str] = msgspec.field(name="__metadata__", default_factory=dict)


@dataclass(frozen=True)
class Shipped:
    """A trained network."""

    name: str
    config: NetConfig
    folder: Path
    data: DataConfig | None = None
    """What it was trained on, where that is drawn and so at hand everywhere."""

    @property
    def weights(self) -> Path:
        """The file."""
        return self.folder / WEIGHTS


def models_folder() -> Path | None:
    """Return where the trained networks lie: in the package, or beside it in a checkout."""
    package = Path(mobilekit.__file__).parent
    for folder in (package / "models", package.parent / "models"):
        if any(folder.glob(f"*/{WEIGHTS}")):
            return folder
    return None


def shipped() -> tuple[Shipped, ...]:
    """Return the trained networks, by their names."""
    folder = models_folder()
    if folder is None:
        return ()
    found = []
    for weights in sorted(folder.glob(f"*/{WEIGHTS}")):
        recipe = read_toml(weights.parent / RECIPE, _Recipe)
        drawn = None if isinstance(recipe.data, FilesConfig) else recipe.data
        net = without_start(recipe.net)
        found.append(Shipped(weights.parent.name, net, weights.parent, drawn))
    return tuple(found)


def find_shipped(name: str) -> Shipped | None:
    """Return the trained network of that name; None where there is none.

    Raises:
        ModelError: its weights were made for another network than its recipe describes.
    """
    found = next((one for one in shipped() if one.name == name), None)
    if found is not None:
        check_made_for(found.weights, found.config)
    return found


def meant(reference: str, arguments: Collection[str]) -> Shipped | None:
    """Return the trained network that a reference means; None where there is none, or arguments change its weights.

    Raises:
        ModelError: as `find_shipped`.
    """
    found = find_shipped(reference)
    return found if found and found.config.beside_weights.issuperset(arguments) else None


def without_start(config: NetConfig) -> NetConfig:
    """Return a configuration that does not say with which weights its training begins."""
    return msgspec.structs.replace(config, weights=UNSET, fresh=UNSET)


def digest_of(config: NetConfig) -> str:
    """Return the SHA-256 of a configuration's values, wherever its training begins."""
    architecture = msgspec.json.encode(without_start(config), order="sorted")
    return hashlib.sha256(architecture).hexdigest()


def check_made_for(weights: Path, config: NetConfig) -> None:
    """Make sure that weights belong to a configuration.

    Raises:
        ModelError: they say that they are of another one, or of none.
    """
    made_for = metadata(weights).get("net", "")
    if made_for != digest_of(config):
        raise ModelError(
            f"{weights}: is of another network than {weights.parent / RECIPE} describes; run the recipe"
            " and ship its result again"
        )


def metadata(weights: Path) -> dict[str, str]:
    """Return what a `.safetensors` file says of itself: a length of 8 bytes, then JSON, then tensors.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with weights.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = msgspec.json.decode(stream.read(min(length, MOST_BYTES)), type=_Header)
        return msgspec.json.decode(header.said.get(KEY, "{}"), type=dict[str, str])
    except (OSError, msgspec.DecodeError) as problem:
        raise ModelError(f"{weights}: is no safetensors file that shipped: {problem}") from problem
