"""Compression steps on a network that has been built, and a pruning on its own."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.errors import ArtifactError
from mobilekit.core.reports import Coverage, StepReport
from mobilekit.core.seeding import child_seed
from mobilekit.pipeline.request import DEFAULT_OUT, ExportRequest, resolve

if TYPE_CHECKING:
    from mobilekit.compress.base import Context
    from mobilekit.nets.sources import Source

Progress = Callable[[str], None]
COVERAGE = "coverage.json"


class Pruning(msgspec.Struct, frozen=True):
    """What `prune` did, and where it lies."""

    folder: str
    step: StepReport
    coverage: Coverage
    unmet: tuple[str, ...]
    """What was asked for and not reached, and why; empty when the target is met."""


def compress(
    source: "Source", steps: Sequence[dict[str, Any]], seed: int, progress: Progress
) -> "tuple[Source, tuple[StepReport, ...]]":
    """Apply the steps of a recipe, one after the other.

    Raises:
        MobilekitError: a step's; its place in the recipe is named.
    """
    from mobilekit.compress.registry import step_of

    reports = []
    for index, options in enumerate(steps):
        kind = str(options["kind"])
        progress(f"step {index + 1} of {len(steps)}: {kind}")
        step = step_of(options, f"steps[{index}]")
        context = _context(source, child_seed(seed, f"{index}-{kind}"), progress)
        network, report = step.apply(source.module, context)
        source = dataclasses.replace(source, module=network)
        reports.append(report)
    return source, tuple(reports)


def prune(request: ExportRequest, options: dict[str, Any], progress: Progress) -> Pruning:
    """Prune a network by any reference that `export` takes, and save what remains.

    The folder holds the program (`program.pt2`, which `export` takes) and the coverage; it appears
    whole, in the place of a former one, or not at all.

    Raises:
        MobilekitError: a reference that leads to no network, options out of range, nothing to prune, a
            folder that holds something else.
    """
    from mobilekit.compress.registry import step_of
    from mobilekit.compress.steps.prune import Prune
    from mobilekit.export.program import trace
    from mobilekit.nets.sources import check_inputs
    from mobilekit.runtime import program as programs

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
    pruned, report = step.carry_out(source.module, _context(source, plan.seed, progress))
    result = Pruning(str(folder), report, pruned.coverage, step.unmet(pruned))
    progress("saving")
    with files.replacing(folder) as fresh:
        program = trace(
            pruned.network,
            source.inputs,
            normalization=source.normalization,
            output_names=source.output_names,
        )
        programs.save(program, fresh / artifact.PROGRAM)
        text = msgspec.json.format(msgspec.json.encode(result), indent=2)
        files.write_text(fresh / COVERAGE, text.decode() + "\n")
    return result


def _context(source: "Source", seed: int, progress: Progress) -> "Context":
    from mobilekit.compress.base import Context
    from mobilekit.nets.warm import example_inputs

    return Context(example_inputs(source.inputs, seed), seed=seed, progress=progress)
