"""Compression steps on a network that has been built, and a pruning on its own."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.errors import ArtifactError, ElsewhereError, MobilekitError, ModelError
from mobilekit.core.reports import Coverage, StepReport
from mobilekit.core.seeding import child_seed
from mobilekit.core.targets import SUFFIXES
from mobilekit.core.tensors import TensorSpec
from mobilekit.pipeline.bench import Bench
from mobilekit.pipeline.request import DEFAULT_OUT, ExportRequest, Plan, resolve

if TYPE_CHECKING:
    from torch import nn

    from mobilekit.compress.base import Context
    from mobilekit.compress.pruning import Pruned
    from mobilekit.nets.sources import Source

Progress = Callable[[str], None]
COVERAGE = "coverage.json"
SHOWN = 256
"""Images, at most, on which statistics are estimated."""


class Pruning(msgspec.Struct, frozen=True):
    """What `prune` did, and where it lies."""

    folder: str
    step: StepReport
    coverage: Coverage
    unmet: tuple[str, ...]
    """What was asked for and not reached, and why; empty when the target is met."""


def compress(
    source: "Source", plan: Plan, progress: Progress
) -> "tuple[Source, tuple[StepReport, ...]]":
    """Apply the steps of a recipe, one after the other.

    Steps that look at inputs like those of real use are shown the request's images, or the bundled
    photographs.

    Raises:
        MobilekitError: a step's; its place in the recipe is named.
        ElsewhereError: in all but the first of several processes that trained together.
    """
    from mobilekit.compress.registry import step_of

    reports: list[StepReport] = []
    bench = Bench(plan, source, progress)
    for index, options in enumerate(plan.steps):
        kind = str(options["kind"])
        progress(f"step {index + 1} of {len(plan.steps)}: {kind}")
        step = step_of(options, f"steps[{index}]")
        count = SHOWN if kind == "recalibrate" else plan.request.image_count
        seed = child_seed(plan.seed, f"{index}-{kind}")
        context = bench.extended(_context(source, plan, count, seed, progress), source, index)
        with _placed(f"steps[{index}]", kind):
            network, report = step.apply(source.module, context)
            source = changed(source, network, report)
        bench.follow(report)
        reports.append(bench.scored(report, source))
    if plan.data is not None and not _is_first():
        raise ElsewhereError("the first process goes on alone")
    return source, tuple(reports)


def _is_first() -> bool:
    """Say whether this process is the first of those that trained together: they go through all steps."""
    from mobilekit.compress.fitting.together import is_first

    return is_first()


@contextlib.contextmanager
def _placed(place: str, kind: str) -> Iterator[None]:
    """Let an error of a step begin with its place in the recipe."""
    try:
        yield
    except ElsewhereError:
        raise
    except MobilekitError as problem:
        words = str(problem)
        problem.args = (
            f"{place}: {words if words.startswith(f'{kind}:') else f'{kind}: {words}'}",
        )
        raise


def changed(source: "Source", network: "nn.Module", report: StepReport) -> "Source":
    """Return a source whose network has been changed, with the inputs that it still takes.

    Raises:
        ModelError: single values of an image whose normalization is baked in.
    """
    inputs, normalization = list(source.inputs), source.normalization
    for kept in report.kept_inputs:
        if kept.position == 0 and normalization is not None:
            if kept.flat:
                raise ModelError(
                    "prune_inputs: single values of an image cannot be normalized per channel; leave the"
                    " normalization out"
                )
            normalization = normalization.keeping(kept.indices)
        inputs[kept.position] = inputs[kept.position].keeping(kept.indices, flat=kept.flat)
    labels, colours = source.labels, source.colours
    if report.kept_classes:
        labels = report.class_names
        colours = tuple(colours[index] for index in report.kept_classes) if colours else ()
    return dataclasses.replace(
        source,
        labels=labels,
        colours=colours,
        weights="trained" if report.kind == "train" else source.weights,
        module=network,
        inputs=tuple(inputs),
        normalization=normalization,
    )


def prune(request: ExportRequest, options: dict[str, Any], progress: Progress) -> Pruning:
    """Prune a network by any reference that `export` takes, and save what remains.

    The folder holds the program, what is known of the network (`export` takes the folder), and the
    coverage; it appears whole, in the place of a former one, or not at all.

    Raises:
        MobilekitError: a reference that leads to no network, options out of range, nothing to prune, a
            folder that holds something else.
    """
    from mobilekit.compress.registry import step_of
    from mobilekit.compress.steps.prune import Prune
    from mobilekit.nets.sources import check_inputs

    step = step_of({"kind": "prune", **options}, "prune")
    assert isinstance(step, Prune)  # noqa: S101  a type for the checker
    plan = resolve(request)
    progress(f"loading {request.reference}")
    source = plan.load()
    check_inputs(source)
    folder = request.out or DEFAULT_OUT / f"{source.name}-pruned"
    if Path.cwd().is_relative_to(folder.resolve()):
        raise ArtifactError(f"{folder}: you are in this folder; name another --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / COVERAGE).is_file():
        raise ArtifactError(
            f"{folder}: holds other things than a pruned network (no {COVERAGE}); name another --out"
        )
    pruned, report = step.carry_out(
        source.module, _context(source, plan, request.image_count, plan.seed, progress)
    )
    result = Pruning(str(folder), report, pruned.coverage, step.unmet(pruned))
    progress("saving")
    original, source = source.module, changed(source, pruned.network, report)
    with files.replacing(folder) as fresh:
        _save(fresh, source, folder.name, report)
        _save_structure(fresh, original, pruned)
        text = msgspec.json.format(msgspec.json.encode(result), indent=2)
        files.write_text(fresh / COVERAGE, text.decode() + "\n")
    return result


class Specialization(msgspec.Struct, frozen=True):
    """What `specialize` did, and where it lies."""

    folder: str
    step: StepReport


def specialize(
    request: ExportRequest, keep: tuple[str, ...], background: str | None, progress: Progress
) -> Specialization:
    """Cut a network down to some of its classes, and save it as `prune` does.

    Raises:
        MobilekitError: a reference that leads to no network, classes it does not have, heads that cannot
            be cut, a folder that holds something else.
    """
    from mobilekit.compress.steps.specialize import Specialize
    from mobilekit.nets.saved import is_saved
    from mobilekit.nets.sources import check_inputs

    plan = resolve(request)
    progress(f"loading {request.reference}")
    source = plan.load()
    check_inputs(source)
    folder = request.out or DEFAULT_OUT / f"{source.name}-specialized"
    if Path.cwd().is_relative_to(folder.resolve()):
        raise ArtifactError(f"{folder}: you are in this folder; name another --out")
    if folder.is_dir() and any(folder.iterdir()) and not is_saved(folder):
        raise ArtifactError(f"{folder}: holds other things than a network; name another --out")
    step = Specialize(keep, request.labels or source.labels, background)
    context = _context(source, plan, 0, plan.seed, progress)
    network, report = step.apply(source.module, context)
    progress("saving")
    with files.replacing(folder) as fresh:
        _save(fresh, changed(source, network, report), folder.name, report)
    return Specialization(str(folder), report)


def _save(folder: Path, source: "Source", name: str, report: StepReport) -> None:
    """Write the program, normalization left out, and the description that has it."""
    from mobilekit.export.program import trace
    from mobilekit.nets import saved
    from mobilekit.runtime import program as programs

    program = trace(source.module, source.inputs, output_names=source.output_names)
    programs.save(program, folder / artifact.PROGRAM)
    _save_source(folder, source, program.outputs)
    description = saved.SavedNetwork(
        schema_version=saved.SCHEMA_VERSION,
        name=name,
        reference=source.reference,
        weights=source.weights,
        program_sha256=files.sha256(folder / artifact.PROGRAM),
        normalization=source.normalization,
        labels=source.labels,
        colours=source.colours,
        state=source.state,
        notes=source.notes,
        steps=(*source.steps, report),
    )
    saved.write(folder, description)


def _context(source: "Source", plan: Plan, count: int, seed: int, progress: Progress) -> "Context":
    from mobilekit.compress.base import Context
    from mobilekit.nets.warm import example_inputs
    from mobilekit.pipeline.calibrating import calibration

    shown, provenance = calibration(source, plan.request.images, count, plan.seed)
    inputs = example_inputs(source.inputs, seed)
    return Context(inputs, tuple(shown), seed, progress, provenance)


def _save_source(folder: Path, source: "Source", outputs: tuple[TensorSpec, ...]) -> None:
    """Write the network as Python source too, while its modules are at hand."""
    from mobilekit.export import source as sources

    place = folder / f"model{SUFFIXES['source']}"
    place.mkdir()
    try:
        sources.write(source.module, source.inputs, outputs, place, source.normalization)
    except ModelError:  # the program that has just been traced stands for it
        place.rmdir()


def _save_structure(folder: Path, original: "nn.Module", pruned: "Pruned") -> None:
    """Write how the smaller network differs from its class, with its weights; a program has no class."""
    from torch import fx

    from mobilekit.compress.structure import describe
    from mobilekit.compress.structuring import folder as structures

    if isinstance(original, fx.GraphModule):
        return
    with contextlib.suppress(ModelError):  # the program and the source stand for it
        structures.save(folder, pruned.network, describe(original, pruned.network, pruned.kept))
