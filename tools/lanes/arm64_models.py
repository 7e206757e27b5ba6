"""The LiteRT files that the emulated processors run: small inputs, since emulation is slow. Kept in the cache."""

import contextlib
import fcntl
import hashlib
import shutil
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from mobilekit import pipeline
from mobilekit.core import artifact
from mobilekit.core.errors import ExportError
from mobilekit.core.targets import TfliteTarget, variant_of
from mobilekit.pipeline.adapting import to_file
from mobilekit.pipeline.samples import read_golden
from mobilekit.recipe import Recipe, read_recipe

ROOT = Path(__file__).parents[2]
SIZE = 64
TARGETS = (TfliteTarget(), TfliteTarget(quantize="static:int8"))
NETS = ("mobile-hourglass", "dfbuster", "mobile-hourglass-video")
"""Of `models/`: with their weights where they ship, else with random ones."""
PARTS = ("core", "data", "export", "nets", "pipeline", "runtime")
"""Of `mobilekit/`: what decides the content of an exported file."""
UNUSED_S = 14 * 24 * 3600.0
"""Exports that nobody has asked for so long go."""


class Subject(NamedTuple):
    """One file, and its inputs."""

    net: str
    variant: str
    weights: str
    model: Path
    inputs: Path


def subjects(cache: Path, scratch: Path, names: tuple[str, ...] = NETS) -> list[Subject]:
    """Export networks, unless that was done with this source and these weights before.

    Args:
        cache: folder to keep them in.
        scratch: folder for the inputs.
        names: of the networks.
    """
    with _alone(cache):
        _clear(cache)
        return [one for name in names for one in _files(_built(cache, name), scratch)]


@contextlib.contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Wait until no other run exports into the cache."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".arm64-models.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clear(cache: Path) -> None:
    """Remove what nobody has used for long."""
    for other in cache.glob("arm64-model*"):
        if time.time() - other.stat().st_mtime > UNUSED_S:
            shutil.rmtree(other)


def _built(cache: Path, name: str) -> Path:
    """Return a network's artifact, and note that it is used."""
    recipe = read_recipe(ROOT / "models" / name)
    weights = ROOT / "models" / name / "weights.safetensors"
    net = msgspec.structs.replace(recipe.net, size=SIZE)
    start = weights if weights.is_file() else ROOT / (net.weights or "")
    built = cache / f"arm64-model-{name}-{_key(name, net, start)}"
    if not (built / artifact.MANIFEST).is_file():
        request = pipeline.ExportRequest(
            reference=str(ROOT / "models" / name),
            recipe=Recipe(name, net, targets=TARGETS),
            weights=weights if weights.is_file() else None,
            out=built,
            runs=0,
            image_count=1,
            calibrate_count=8,
        )
        _, made = pipeline.export(request, lambda words: sys.stderr.write(f"  {name}: {words}\n"))
        if made.failures:
            shutil.rmtree(built)
            raise ExportError(f"{name}: {made.failures[0].reason}")
    built.touch()
    return built


def _files(built: Path, scratch: Path) -> list[Subject]:
    """Return an artifact's files, with its golden inputs as each takes them."""
    manifest = artifact.read_manifest(built)
    artifact.check_files(built, manifest)
    found = []
    for file in manifest.files:
        inputs = scratch / f"{manifest.name}-{file.path}.npz"
        arrays = {
            f"{group.name}/{tensor}": array
            for group in read_golden(built)
            for tensor, array in to_file(group.inputs[0], manifest.inputs, file.inputs).items()
        }
        np.savez(inputs, **arrays)
        form = variant_of(file.target)
        found.append(Subject(manifest.name, form, manifest.weights, built / file.path, inputs))
    return found


def _key(name: str, net: object, weights: Path) -> str:
    """Return a digest of what decides a network's files."""
    digest = hashlib.sha256(f"{name} {net} {TARGETS}".encode())
    parts = [p for one in PARTS for p in (ROOT / "mobilekit" / one).rglob("*.py")]
    for path in [*sorted(parts), *([weights] if weights.is_file() else [])]:
        digest.update(path.read_bytes())
    for package in ("torch", "litert-torch", "ai-edge-litert", "ai-edge-quantizer"):
        digest.update(f"{package} {version(package)}".encode())
    return digest.hexdigest()[:12]
