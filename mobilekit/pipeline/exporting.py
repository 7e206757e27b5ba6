"""One export: load, trace, convert in processes of their own, verify, measure, write the artifact."""

import contextlib
import datetime
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.artifact import Failure, Manifest
from mobilekit.core.errors import ArtifactError, ExportError, MobilekitError, ModelError
from mobilekit.core.quantization_plan import trained_plan
from mobilekit.core.reports import CostReport, DelegationReport, StepReport
from mobilekit.core.targets import (
    SUFFIXES,
    OnnxTarget,
    SourceTarget,
    Target,
    format_of,
    variant_of,
)
from mobilekit.data.labels import check_labels
from mobilekit.nets.saved import is_saved
from mobilekit.pipeline import samples
from mobilekit.pipeline.accuracy import exam_of, graded
from mobilekit.pipeline.calibrating import ranges
from mobilekit.pipeline.compressing import compress
from mobilekit.pipeline.delivering import (
    Delivered,
    Family,
    Material,
    deliver,
    deliver_source,
    families,
)
from mobilekit.pipeline.measuring import measure_artifact
from mobilekit.pipeline.request import DEFAULT_OUT, ExportRequest, Plan, resolve

if TYPE_CHECKING:
    from mobilekit.export.processes import Crew
    from mobilekit.nets.sources import Source
    from mobilekit.runtime.program import Program

Progress = Callable[[str], None]
REPORT = "report.html"
FREE_BATCH = ".free-batch.pt2"
_TOOLS = (
    "mobilekit",
    "torch",
    "coremltools",
    "litert-torch",
    "ai-edge-litert",
    "onnx",
    "onnxruntime",
)


def export(request: ExportRequest, progress: Progress) -> tuple[Path, Manifest]:
    """Export a network to every target; return the artifact's folder and its manifest.

    The converters start in processes of their own at once and import while the network is built.
    The artifact appears whole, in the place of a former one, or not at all.

    Raises:
        MobilekitError: a mistake of the user's, a machine that cannot, or no target delivered.
    """
    plan = resolve(request)
    if request.out is not None or plan.recipe_name:
        _check_place(request.out or _default_place(plan.recipe_name))
    with _conversions(plan) as conversions:
        progress(f"loading {request.reference}")
        source, steps = compress(plan.load(), plan, progress)
        folder = request.out or _default_place(source.name)
        _check_place(folder)
        with files.replacing(folder) as fresh, conversions.halting():
            manifest = _fill(fresh, plan, (source, steps), conversions, progress)
    return folder, manifest


def _default_place(name: str) -> Path:
    """Name a folder after the network, beside the one that a saved network of that name is in."""
    folder = DEFAULT_OUT / name
    return DEFAULT_OUT / f"{name}-export" if is_saved(folder) else folder


def _check_place(folder: Path) -> None:
    """Refuse to replace a folder that holds something else than an artifact.

    Raises:
        ArtifactError: such a folder.
    """
    if Path.cwd().is_relative_to(folder.resolve()):
        raise ArtifactError(f"{folder}: you are in this folder; name another --out")
    if folder.is_dir() and any(folder.iterdir()) and not artifact.is_artifact(folder):
        raise ArtifactError(
            f"{folder}: holds other things than an artifact (no {artifact.MANIFEST} of one); name"
            " another --out"
        )


def _fill(
    fresh: Path,
    plan: Plan,
    compressed: "tuple[Source, tuple[StepReport, ...]]",
    conversions: "_Conversions",
    progress: Progress,
) -> Manifest:
    source, steps = compressed
    request = plan.request
    program, base = _trace(fresh, plan, source, progress)
    base = msgspec.structs.replace(base, steps=(*source.steps, *steps))
    identity = hashlib.sha256(msgspec.json.encode(base, order="sorted")).hexdigest()
    base = msgspec.structs.replace(base, digest=identity)
    paths = _programs(fresh, plan, source, base)
    data = plan.data or request.data
    images = samples.choose_images(request.images, request.image_count, plan.seed, data)
    inputs = samples.sample_inputs(program, images, base.normalization, plan.seed, plan.targets)
    shown = ranges(program, plan, base.normalization)
    labelled = exam_of(program, plan, base)
    conversions.ready.set_result(
        Material(
            fresh,
            paths,
            program.inputs,
            program.outputs,
            inputs,
            base.normalization,
            base.labels,
            _metadata(request, base),
            shown,
            labelled,
            trained_plan(base.steps),
        )
    )
    progress(f"converting to {_words(plan.targets)}")
    base = msgspec.structs.replace(
        base,
        cost=_cost(program),
        verified_on=_provenance(inputs),
        calibrated_on=shown.provenance if shown else "",
        calibration_sha256=shown.digest if shown else "",
    )
    sets = samples.with_references(program, inputs, request.threads)
    golden = samples.write_golden(fresh, sets)
    notes = _overflow_notes(program, inputs, plan.targets)
    outcomes = conversions.results()
    (fresh / FREE_BATCH).unlink(missing_ok=True)
    delivered = [outcome for outcome in outcomes if isinstance(outcome, Delivered)]
    failures = tuple(outcome for outcome in outcomes if isinstance(outcome, Failure))
    if not delivered:
        raise ExportError("; ".join(dict.fromkeys(failure.reason for failure in failures)))
    progress("comparing the files with the network")
    made = tuple(
        one.judged(program, sets, notes.get(format_of(one.target), ()), shown) for one in delivered
    )
    made = graded(program, labelled, tuple(delivered), made, request.threads)
    delegation: dict[str, DelegationReport] = {}
    if request.runs:
        progress("measuring on this machine")
        made, delegation = measure_artifact(fresh, made, request)
    manifest = msgspec.structs.replace(base, files=made, failures=failures, golden_sha256=golden)
    return write(fresh, manifest, delegation)


def _trace(
    fresh: Path, plan: Plan, source: "Source", progress: Progress
) -> "tuple[Program, Manifest]":
    from mobilekit.export.program import trace
    from mobilekit.nets.sources import check_inputs
    from mobilekit.runtime import program as programs

    progress(f"tracing {source.name}")
    check_inputs(source)
    request = plan.request
    normalization = request.normalization or source.normalization
    program = trace(
        source.module, source.inputs, normalization=normalization, output_names=source.output_names
    )
    check_labels(request.labels, program.outputs)
    programs.save(program, fresh / artifact.PROGRAM)
    base = Manifest(
        schema_version=artifact.SCHEMA_VERSION,
        name=source.name,
        source=request.reference,
        weights=source.weights,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        inputs=program.inputs,
        outputs=program.outputs,
        cost=artifact.NO_COST,
        files=(),
        program_sha256=files.sha256(fresh / artifact.PROGRAM),
        golden_sha256={},
        verified_on="",
        normalization=normalization,
        labels=request.labels or source.labels,
        colours=source.colours,
        state=source.state,
        notes=source.notes,
        recipe_digest=plan.recipe_digest,
        tools=_tools(),
    )
    return program, base


def _programs(fresh: Path, plan: Plan, source: "Source", base: Manifest) -> dict[str, Path]:
    """Return the program of each format; ONNX gets one with a free batch, where that can be traced.

    The source is written here, while nothing else runs: torch.export has global states by which PyTorch
    chooses its kernels, and so the last bits of what another thread computes.
    """
    found = {format_of(target): fresh / artifact.PROGRAM for target in plan.targets}
    if "source" in found:
        found["source"] = _source(fresh, source, base)
    if any(isinstance(target, OnnxTarget) and target.dynamic_batch for target in plan.targets):
        from mobilekit.export.program import trace
        from mobilekit.runtime import program as programs

        names = tuple(spec.name for spec in base.outputs)
        with contextlib.suppress(ModelError):
            free = trace(
                source.module,
                source.inputs,
                normalization=base.normalization,
                output_names=names,
                free_batch=True,
            )
            programs.save(free, fresh / FREE_BATCH)
            found["onnx"] = fresh / FREE_BATCH
    return found


def _source(fresh: Path, source: "Source", base: Manifest) -> Path:
    """Write the network as Python source; that of a saved one is there already."""
    from mobilekit.export import source as sources

    name = f"model{SUFFIXES['source']}"
    folder = fresh / name
    if source.folder is not None and (source.folder / name).is_dir():
        shutil.copytree(source.folder / name, folder)
        return folder
    folder.mkdir()
    sources.write(source.module, base.inputs, base.outputs, folder, base.normalization)
    return folder


@dataclass(frozen=True)
class _Conversions:
    """The conversions of one export, each in a thread, most with a process of their own."""

    crew: "Crew"
    ready: "Future[Material]" = field(default_factory=Future)
    """What they wait for."""
    begun: "list[Future[list[Delivered | Failure]]]" = field(default_factory=list)

    @contextlib.contextmanager
    def halting(self) -> Iterator[None]:
        """End them when the block fails, before the folder that they write to is cleared."""
        try:
            yield
        except BaseException as problem:
            if not self.ready.done():
                self.ready.set_exception(problem)
            self.crew.stop()
            wait([conversion for conversion in self.begun if not conversion.cancel()])
            raise

    def results(self) -> list[Delivered | Failure]:
        """Wait for what they made."""
        return [one for conversion in self.begun for one in conversion.result()]


@contextlib.contextmanager
def _conversions(plan: Plan) -> Iterator[_Conversions]:
    """Start one conversion per target, as many at a time as there are cores."""
    from mobilekit.export.processes import Crew

    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    found = families(plan.targets)
    made = _Conversions(Crew())
    with ThreadPoolExecutor(max_workers=min(cores, len(found))) as pool, made.halting():
        for family in found:
            made.begun.append(pool.submit(_attempt, family, made, plan.request))
        yield made


def _attempt(
    family: Family, conversions: _Conversions, request: ExportRequest
) -> list[Delivered | Failure]:
    ready, crew = conversions.ready, conversions.crew
    try:
        if isinstance(family.base, SourceTarget):
            return [deliver_source(family.base, ready, crew, request.threads)]
        made = deliver(family, ready, crew, debug=request.debug)
    except MobilekitError as problem:
        reason = _without_place(str(problem), ready)
        return [Failure(target, reason, problem.exit_code) for target in family.asked]
    return [
        msgspec.structs.replace(one, reason=_without_place(one.reason, ready))
        if isinstance(one, Failure)
        else one
        for one in made
    ]


def _words(targets: tuple[Target, ...]) -> str:
    """Name formats, with the forms that each is made in.

    >>> from mobilekit.core.targets import TfliteTarget
    >>> _words((TfliteTarget(), TfliteTarget(quantize="int8"), OnnxTarget()))
    'tflite (float32, static:int8), onnx'
    """
    forms: dict[str, list[str]] = {}
    for target in targets:
        forms.setdefault(format_of(target), []).append(variant_of(target))
    return ", ".join(
        f"{kind} ({', '.join(names)})" if len(names) > 1 else kind for kind, names in forms.items()
    )


def _without_place(words: str, ready: "Future[Material]") -> str:
    """Name the artifact's files without the folder they are made in, which is gone by then."""
    if not ready.done() or ready.exception() is not None:
        return words
    return words.replace(f"{ready.result().folder}{os.sep}", "")


def _cost(program: "Program") -> CostReport:
    from mobilekit.profile.cost import cost_of_program

    return cost_of_program(program.exported)


def _overflow_notes(
    program: "Program", inputs: list[samples.InputSet], targets: tuple[Target, ...]
) -> dict[str, tuple[str, ...]]:
    """Say where float16 arithmetic would overflow on the inputs, for the formats that use it."""
    if not any(
        format_of(target) == "coreml" and target.precision == "float16" for target in targets
    ):
        return {}
    from mobilekit.export.preflight import overflowing

    found = overflowing(program, [arrays for group in inputs for arrays in group.inputs])
    return {"coreml": tuple(finding.text for finding in found)}


def _metadata(request: ExportRequest, base: Manifest) -> dict[str, str]:
    """Give what is written into each file: the user's words, and what identifies the network."""
    origin = "UNTRAINED" if base.weights == "seeded" else base.weights
    return {
        **request.metadata,
        "mobilekit.digest": base.digest,
        "mobilekit.weights": origin,
    }


def _provenance(inputs: list[samples.InputSet]) -> str:
    return "; ".join(f"{len(group.inputs)} × {group.provenance}" for group in inputs)


def _tools() -> dict[str, str]:
    found = {}
    for name in _TOOLS:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def write(fresh: Path, manifest: Manifest, delegation: dict[str, DelegationReport]) -> Manifest:
    """Write an artifact's manifest, and the page that shows it."""
    from mobilekit.report import page

    files.write_text(fresh / REPORT, page.render(manifest, delegation))
    return artifact.write_manifest(fresh, manifest)
