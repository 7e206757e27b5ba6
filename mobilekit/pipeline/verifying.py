"""The proof again, later: the files of an artifact against its own program."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from mobilekit.core import artifact
from mobilekit.core.artifact import Manifest, ModelFile
from mobilekit.core.errors import UsageError
from mobilekit.core.reports import ParityReport
from mobilekit.pipeline import samples
from mobilekit.pipeline.adapting import from_file, pixel_scale, to_file
from mobilekit.pipeline.samples import SampleSet
from mobilekit.runtime import default_runtime, open_model
from mobilekit.verify.layerwise import LayerFinding

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
        progress(f"running {file.path}")
        reports.append(_report(request, manifest, file, sets))
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
    inputs = samples.sample_inputs(
        program.inputs, images, manifest.normalization, request.seed, targets
    )
    return samples.with_references(program, inputs[:1], request.threads)


def _report(
    request: VerifyRequest, manifest: Manifest, file: ModelFile, sets: list[SampleSet]
) -> ParityReport:
    from mobilekit.verify.parity import judge

    path = request.folder / file.path
    runtime = _runtime_of(path, request.runtime)
    runner = open_model(path, runtime, request.threads)
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
    return judge(file.path, file.target, runtime, rows)


def _runtime_of(path: Path, asked: str | None) -> str:
    """Return the runtime for a file; another one may be asked for where it reads the format."""
    readers = {
        ".tflite": {"tflite", "tensorflow"},
        ".mlpackage": {"coreml", "coreml-reference"},
        ".onnx": {"onnx"},
    }
    if asked is None:
        return default_runtime(path)
    if not any(asked in names for names in readers.values()):
        known = sorted(set().union(*readers.values()))
        raise UsageError(f"--runtime {asked!r}: unknown; one of {', '.join(known)}")
    return asked if asked in readers[path.suffix] else default_runtime(path)


def _layerwise(
    request: VerifyRequest, manifest: Manifest, group: SampleSet, progress: Progress
) -> tuple[LayerFinding, ...]:
    from mobilekit.runtime import program as programs
    from mobilekit.verify import layerwise

    program = programs.load(request.folder / artifact.PROGRAM)
    findings = []
    for file in manifest.files:
        path = request.folder / file.path
        if path.suffix == ".onnx":
            continue
        progress(f"comparing {file.path} layer by layer")
        scale = pixel_scale(file.target, normalized=manifest.normalization is not None)
        feed = to_file(group.inputs[0], manifest.inputs, file.inputs, scale)
        findings.append(
            layerwise.explain(path, file.target, program, group.inputs[0], feed, request.folder)
        )
    return tuple(findings)
