"""Smaller files of an artifact that is there already: quantized from its files of floats."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.artifact import Failure, Manifest, ModelFile
from mobilekit.core.errors import ExportError, MobilekitError
from mobilekit.core.quantization import Quantization
from mobilekit.core.quantization_plan import trained_plan
from mobilekit.core.reports import DelegationReport
from mobilekit.core.targets import format_of, quantized
from mobilekit.pipeline import samples
from mobilekit.pipeline.accuracy import exam_of, graded
from mobilekit.pipeline.calibrating import ranges
from mobilekit.pipeline.delivering import Delivered, Material, add
from mobilekit.pipeline.exporting import write
from mobilekit.pipeline.measuring import measure_artifact
from mobilekit.pipeline.request import ExportRequest, Plan

Progress = Callable[[str], None]
ABLE = ("coreml", "tflite")


def quantize(
    request: ExportRequest, wanted: tuple[tuple[str, Quantization], ...], progress: Progress
) -> tuple[Path, Manifest]:
    """Add quantized files to an artifact; its files of floats are not touched.

    A file that is there in the same form is made again. The artifact changes as a whole, or not at all.

    Args:
        request: `reference` is the artifact's folder; what is verified and calibrated on, threads, runs.
        wanted: format and quantization, one per file.
        progress: told what is being done.

    Raises:
        ArtifactError: no artifact, damaged, or without the file of floats that is needed.
        ExportError: nothing could be made.
    """
    folder = Path(request.reference)
    manifest = artifact.read_manifest(folder)
    artifact.check_files(folder, manifest)
    targets = tuple(
        quantized(artifact.floats_of(manifest, kind).target, how) for kind, how in wanted
    )
    plan = Plan(request=request, targets=targets, seed=request.seed)
    with files.replacing(folder) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
        manifest = _add(fresh, manifest, plan, progress)
    return folder, manifest


def _add(fresh: Path, manifest: Manifest, plan: Plan, progress: Progress) -> Manifest:
    from mobilekit.runtime import program as programs

    request = plan.request
    program = programs.load(fresh / artifact.PROGRAM)
    images = samples.choose_images(request.images, request.image_count, plan.seed, request.data)
    inputs = samples.sample_inputs(program, images, manifest.normalization, plan.seed, plan.targets)
    shown = ranges(program, plan, manifest.normalization)
    labelled = exam_of(program, plan, manifest)
    material = Material(
        fresh,
        dict.fromkeys(ABLE, fresh / artifact.PROGRAM),
        program.inputs,
        program.outputs,
        inputs,
        manifest.normalization,
        manifest.labels,
        {},
        shown,
        labelled,
        trained_plan(manifest.steps),
    )
    made, failures = _made(material, manifest, plan, progress)
    progress("comparing the files with the network")
    sets = samples.with_references(program, inputs, request.threads)
    new = tuple(one.judged(program, sets, (), shown) for one in made)
    new = graded(program, labelled, tuple(made), new, request.threads)
    delegation: dict[str, DelegationReport] = {}
    kept = tuple(f for f in manifest.files if f.path not in {one.path for one in new})
    whole: tuple[ModelFile, ...] = (*kept, *new)
    if request.runs:
        progress("measuring on this machine")
        whole, delegation = measure_artifact(fresh, whole, request)
    manifest = msgspec.structs.replace(
        manifest,
        files=whole,
        failures=failures,
        calibrated_on=shown.provenance if shown else manifest.calibrated_on,
        calibration_sha256=shown.digest if shown else manifest.calibration_sha256,
    )
    return write(fresh, manifest, delegation)


def _made(
    material: Material, manifest: Manifest, plan: Plan, progress: Progress
) -> tuple[list[Delivered], tuple[Failure, ...]]:
    """Make the files, format by format."""
    outcomes: list[Delivered | Failure] = []
    for kind in ABLE:
        targets = tuple(target for target in plan.targets if format_of(target) == kind)
        if not targets:
            continue
        progress(f"quantizing the {kind} file")
        file = artifact.floats_of(manifest, kind)
        try:
            outcomes += add(material, file, targets, debug=plan.request.debug)
        except MobilekitError as problem:
            outcomes += [Failure(target, str(problem), problem.exit_code) for target in targets]
    failures = tuple(one for one in outcomes if isinstance(one, Failure))
    made = [one for one in outcomes if isinstance(one, Delivered)]
    if not made:
        raise ExportError("; ".join(dict.fromkeys(one.reason for one in failures)))
    return made, failures
