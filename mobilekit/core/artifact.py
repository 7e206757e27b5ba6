"""The folder that an export leaves: model files, manifest, golden vectors."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from mobilekit.core import files
from mobilekit.core.config import from_mapping
from mobilekit.core.errors import ArtifactError
from mobilekit.core.reports import (
    CostReport,
    LatencyReport,
    LayerQuantization,
    MetricReport,
    ParityReport,
    StepReport,
)
from mobilekit.core.targets import Target, format_of, quantization_of
from mobilekit.core.tensors import TensorSpec

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
PROGRAM = "program.pt2"
GOLDEN_INPUTS = "golden/inputs.safetensors"
GOLDEN_OUTPUTS = "golden/outputs.safetensors"


WeightsOrigin = Literal["seeded", "given", "factory", "trained", "shipped"]
"""Where the weights come from. `seeded`: drawn by mobilekit, with warmed batch-norm statistics, of no
use but for measuring. `given`: from a file of weights or a `.pt2` program. `factory`: as the network's
own function made or loaded them, trained or not; only batch norms that still have statistics of 0 and
1 were warmed."""


class Normalization(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`(pixel * scale - mean) / std`, baked into the graph; per channel, for camera pixels 0–255."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0

    def keeping(self, indices: tuple[int, ...]) -> "Normalization":
        """Return what is left for some of the channels.

        >>> Normalization((0.4, 0.5, 0.6)).keeping((0, 2)).mean
        (0.4, 0.6)
        """
        mean, std = (
            values if len(values) == 1 else tuple(values[index] for index in indices)
            for values in (self.mean, self.std)
        )
        return msgspec.structs.replace(self, mean=mean, std=std)


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model file of an artifact, with what it wants and gives."""

    path: str
    target: Target
    sha256: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parity: ParityReport
    latency: LatencyReport | None = None
    notes: tuple[str, ...] = ()
    """What a converter skipped or rewrote, in words."""
    quantization: tuple[LayerQuantization, ...] = ()
    """How the weights of each layer are stored; empty for a file of floats."""
    metric: MetricReport | None = None
    """On labelled images, where there are any."""
    elsewhere: tuple[MetricReport, ...] = ()
    """On the images of further data sets that the recipe names."""


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A target that was asked for and could not be delivered."""

    target: Target
    reason: str
    exit_code: int = 2


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a reader of the artifact needs to know; nothing is encoded in a file name."""

    schema_version: int
    name: str
    source: str
    weights: WeightsOrigin
    created: str
    """ISO 8601, UTC."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    cost: CostReport
    files: tuple[ModelFile, ...]
    program_sha256: str
    golden_sha256: dict[str, str]
    verified_on: str
    """Which images the parity was measured on."""
    calibrated_on: str = ""
    """Which images the ranges of activations come from; empty where no file needs them."""
    calibration_sha256: str = ""
    """Of the inputs made from them."""
    normalization: Normalization | None = None
    labels: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    """`#rrggbb` per label, for masks."""
    state: dict[str, str] = {}
    """Output → input that it is fed back to in the next frame (previous mask)."""
    notes: tuple[str, ...] = ()
    """What was changed in the network before it was traced, in words."""
    failures: tuple[Failure, ...] = ()
    recipe_digest: str = ""
    steps: tuple[StepReport, ...] = ()
    """What the recipe's compression steps did, in their order."""
    digest: str = ""
    """SHA-256 of all that was known before conversion; the files carry it in their metadata."""
    tools: dict[str, str] = {}
    """Package → version that made the files."""
    seal: str = ""
    """SHA-256 of all else in this manifest, so that an edit by hand is found."""


NO_COST = CostReport(0, 0, 0, 0, 0, 0, (), {})


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write `manifest.json` into an artifact folder; return it as it will be read, with its seal."""
    plain: Manifest = msgspec.convert(msgspec.to_builtins(manifest), Manifest)
    sealed = msgspec.structs.replace(plain, seal=seal_of(plain))
    text = json.dumps(msgspec.to_builtins(sealed), indent=2, allow_nan=False)
    files.write_text(folder / MANIFEST, text + "\n")
    return sealed


def seal_of(manifest: Manifest) -> str:
    """Return the SHA-256 of a manifest without its seal."""
    bare = msgspec.structs.replace(manifest, seal="")
    return hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of an artifact.

    Raises:
        ArtifactError: no artifact, damaged or edited by hand, or of a newer schema.
    """
    path = folder / MANIFEST
    if not folder.exists():
        raise ArtifactError(f"{folder}: no such artifact")
    if not path.is_file():
        raise ArtifactError(f"{folder}: is not an artifact (it has no {MANIFEST})")
    try:
        content: Any = msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise ArtifactError(
            f"{path}: is not valid JSON ({problem}); export the model again"
        ) from problem
    except OSError as problem:
        raise ArtifactError(f"{path}: cannot be read ({problem.strerror})") from problem
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        newer = version > SCHEMA_VERSION
        raise ArtifactError(
            f"{path}: schema_version {version} is {'newer than' if newer else 'not'} the {SCHEMA_VERSION}"
            f" this mobilekit reads; {'update mobilekit' if newer else 'export the model again'}"
        )
    manifest: Manifest = from_mapping(content, Manifest, str(path), ArtifactError)
    if manifest.seal != seal_of(manifest):
        raise ArtifactError(f"{path}: was edited after mobilekit wrote it; export the model again")
    return manifest


def floats_of(manifest: Manifest, kind: str) -> ModelFile:
    """Return an artifact's file of floats of a format, of which smaller ones are made.

    Raises:
        ArtifactError: it has none.
    """
    for file in manifest.files:
        if format_of(file.target) == kind and quantization_of(file.target) is None:
            return file
    raise ArtifactError(
        f"{manifest.name}: has no {kind} file of floats that a smaller one can be made of"
    )


def is_artifact(folder: Path) -> bool:
    """Say whether a folder's manifest is one of ours, of any version: web apps have one as well."""
    try:
        content: Any = msgspec.json.decode((folder / MANIFEST).read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(content, dict) and "schema_version" in content


def check_files(folder: Path, manifest: Manifest) -> None:
    """Check that each file is the one that the manifest describes.

    Raises:
        ArtifactError: a file is missing, or its content has changed.
    """
    given = {spec.name for spec in manifest.inputs}
    whole = all({spec.name for spec in file.inputs} == given for file in manifest.files)
    golden = {GOLDEN_INPUTS, GOLDEN_OUTPUTS} <= manifest.golden_sha256.keys()
    if not (manifest.files and whole and golden):
        raise ArtifactError(
            f"{folder / MANIFEST}: was edited: its files, their inputs and the golden vectors do not"
            " belong together; export the model again"
        )
    expected = {file.path: file.sha256 for file in manifest.files}
    expected |= {PROGRAM: manifest.program_sha256, **manifest.golden_sha256}
    for name, digest in expected.items():
        path = folder / name
        if not path.exists():
            raise ArtifactError(
                f"{path}: is missing, though {MANIFEST} lists it; export the model again"
            )
        if files.sha256(path) != digest:
            raise ArtifactError(
                f"{path}: its content is not what {MANIFEST} describes; export the model again"
            )
