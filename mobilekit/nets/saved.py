"""A network that a command has changed, in a folder of its own: its program, and all that is known of it."""

from pathlib import Path

import msgspec

from mobilekit.core import files
from mobilekit.core.artifact import PROGRAM, Normalization, WeightsOrigin
from mobilekit.core.errors import ArtifactError
from mobilekit.core.reports import StepReport

NETWORK = "network.json"
SCHEMA_VERSION = 1


class SavedNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a program does not say itself; `schemas` of the manifest have the same fields."""

    schema_version: int
    name: str
    reference: str
    """What the network was made of, such as `torchvision:resnet18`."""
    weights: WeightsOrigin
    program_sha256: str
    normalization: Normalization | None = None
    labels: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    state: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    steps: tuple[StepReport, ...] = ()
    """What was done to the network so far, in order."""


def is_saved(path: Path) -> bool:
    """Say whether a folder holds a saved network."""
    return (path / NETWORK).is_file()


def write(folder: Path, saved: SavedNetwork) -> None:
    """Write the description beside the program."""
    text = msgspec.json.format(msgspec.json.encode(saved), indent=2).decode()
    files.write_text(folder / NETWORK, text + "\n")


def read(folder: Path) -> SavedNetwork:
    """Read the description of the program in a folder.

    Raises:
        ArtifactError: it is damaged, of another version, or the program is not the one described.
    """
    path = folder / NETWORK
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=SavedNetwork)
    except (OSError, msgspec.DecodeError) as problem:
        raise ArtifactError(f"{path}: not the description of a network: {problem}") from problem
    if saved.schema_version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{path}: version {saved.schema_version}, this mobilekit reads {SCHEMA_VERSION}"
        )
    program = folder / PROGRAM
    if not program.is_file():
        raise ArtifactError(f"{program}: missing")
    if files.sha256(program) != saved.program_sha256:
        raise ArtifactError(f"{program}: is not the program that {path.name} describes")
    return saved
