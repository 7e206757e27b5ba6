"""The proof again, later: the files of an artifact against its own program."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from mobilekit.core import artifact
from mobilekit.core.artifact import Manifest, ModelFile
from mobilekit.core.errors import UsageError, suggestion
from mobilekit.core.reports import ParityReport
from mobilekit.core.targets import quantization_of
from mobilekit.pipeline import samples
from mobilekit.pipeline.adapting import from_file, pixel_scale, to_file
from mobilekit.pipeline.samples import SampleSet
from mobilekit.runtime import default_runtime, open_model
from mobilekit.verify.layerwise import LayerFinding
from mobilekit.verify.tolerance import FACTOR

Progress = Callable[[str], None]


class VerifyRequest(msgspec.Struct, frozen=True):
    """One verification. `runtime` replaces the one of the `.tflite` files."""

    folder: Path
    images: Path | None = None
    image_count: int = 8
    layerwise: bool = False
    runtime: str | None = None
    threads: int = 1
    seed: int = 0


class Verification(msgspec.Struct, frozen=True):
    """The verdict on each file, and where the error rises when that was asked."""

    reports: tuple[ParityReport, ...]
    layers: tuple[LayerFinding, ...] = ()


def verify(request: VerifyRequest, progress: Progress) -> Verification:
    """Run each file and compare it with the golden vectors, and with the program on the user's images.

    Raises:
        ArtifactError: the artifact is damaged, edited, or its files are not those it describes.
        RuntimeUnavailableError: a runtime is not installed.
    """
    manifest = artifact.read_manifest(request.folder)
    artifact.check_files(request.folder, manifest)
    sets = samples.read_golden(request.folder)
    if request.images is not None:
        sets = [*sets, *_on_images(request, manifest, progress)]
    reports = []
    for file in manifest.files:
        for runtime in _runtimes_of(request.folder / file.path, request.runtime):
            progress(f"running {file.path} by {runtime}")
            reports.append(_report(request, manifest, file, runtime, sets))
    layers: tuple[LayerFinding, ...] = ()
    if request.layerwise:
        layers = _layerwise(request, manifest, sets[0], progress)
    return Verification(tuple(reports), layers)


def _on_images(request: VerifyRequest, manifest: Manifest, progress: Progress) -> list[SampleSet]:
    from mobilekit.runtime import program as programs

    images = samples.choose_images(request.images, request.image_count, request.seed)
    progress("running the network on the images")
    program = programs.load(request.folder / artifact.PROGRAM)
    targets = tuple(file.target for file in manifest.files)
    inputs = samples.sample_inputs(program, images, manifest.normalization, request.seed, targets)
    return samples.with_references(program, inputs[:1], request.threads)


def _report(
    request: VerifyRequest,
    manifest: Manifest,
    file: ModelFile,
    runtime: str,
    sets: list[SampleSet],
) -> ParityReport:
    from mobilekit.verify.parity import judge

    runner = open_model(request.folder / file.path, runtime, request.threads)
    sets = [sets[index] for index in samples.meant(file.target, sets)]
    scale = pixel_scale(file.target, normalized=manifest.normalization is not None)
    actual = [
        [
            from_file(
                runner.run(to_file(arrays, manifest.inputs, file.inputs, scale)),
                manifest.outputs,
                file.outputs,
            )
            for arrays in group.inputs
        ]
        for group in sets
    ]
    rows = [(g.name, g.references, a) for g, a in zip(sets, actual, strict=True)]
    own = functools.partial(_own_error, request, file, sets)
    return judge(file.path, file.target, runtime, rows, own)


def _own_error(
    request: VerifyRequest, file: ModelFile, sets: list[SampleSet], index: int
) -> dict[str, float]:
    """Ask the artifact's program for PyTorch's own error at the file's precision.

    How far a quantized file may be away was measured when it was made, and is in the manifest.
    """
    if quantization_of(file.target) is not None:
        bounds: dict[str, float] = {}
        for row in (row for group in file.parity.sets for row in group.outputs):
            bound = 10 ** (-row.least_sqnr_db / 20) / FACTOR["quantized"]
            bounds[row.output] = max(bounds.get(row.output, 0.0), bound)
        return bounds
    from mobilekit.runtime import program as programs
    from mobilekit.verify.conditioning import own_error

    program = programs.load(request.folder / artifact.PROGRAM)
    return own_error(program, sets[index].inputs, file.target.precision)


READERS = {
    ".tflite": ("tflite", "tensorflow"),
    ".mlpackage": ("coreml-reference", "coreml"),
    ".onnx": ("onnx",),
    ".source": ("source",),
}


def _runtimes_of(path: Path, asked: str | None) -> list[str]:
    """Return what runs a file: the runtime asked for where it reads the format, else the default.

    On a Mac, Core ML files are run by the framework as well.
    """
    if asked is None:
        system: str = sys.platform
        both = path.suffix == ".mlpackage" and system == "darwin"
        return [default_runtime(path), "coreml"] if both else [default_runtime(path)]
    known = sorted({name for names in READERS.values() for name in names})
    if asked not in known:
        raise UsageError(
            f"--runtime {asked!r}: unknown; one of {', '.join(known)}.{suggestion(asked, known)}"
        )
    return [asked if asked in READERS[path.suffix] else default_runtime(path)]


def _layerwise(
    request: VerifyRequest, manifest: Manifest, group: SampleSet, progress: Progress
) -> tuple[LayerFinding, ...]:
    from mobilekit.runtime import program as programs
    from mobilekit.verify import layerwise

    program = programs.load(request.folder / artifact.PROGRAM)
    findings = []
    for file in manifest.files:
        path = request.folder / file.path
        if path.suffix in {".onnx", ".source"}:
            continue
        progress(f"comparing {file.path} layer by layer")
        scale = pixel_scale(file.target, normalized=manifest.normalization is not None)
        feed = to_file(group.inputs[0], manifest.inputs, file.inputs, scale)
        findings.append(
            layerwise.explain(path, file.target, program, group.inputs[0], feed, request.folder)
        )
    return tuple(findings)
