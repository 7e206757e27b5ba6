"""One family of files: its worker converts the program, makes smaller files, runs them; they are judged."""

import contextlib
import math
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobilekit.core import files
from mobilekit.core.artifact import Failure, ModelFile, Normalization
from mobilekit.core.errors import MobilekitError
from mobilekit.core.quantization_plan import QuantizationPlan
from mobilekit.core.reports import ParityReport
from mobilekit.core.targets import (
    CoremlTarget,
    Target,
    base_of,
    file_name,
    format_of,
    quantization_of,
    variant_of,
)
from mobilekit.core.tensors import TensorSpec
from mobilekit.pipeline.accuracy import Exam
from mobilekit.pipeline.adapting import from_file, pixel_scale, to_file
from mobilekit.pipeline.calibrating import Shown
from mobilekit.pipeline.samples import InputSet, SampleSet, meant

if TYPE_CHECKING:
    from mobilekit.core.reports import LayerQuantization
    from mobilekit.core.tensors import Arrays
    from mobilekit.export.converted import Converted
    from mobilekit.export.processes import Crew, Worker
    from mobilekit.runtime.program import Program


LOSSY = 10.0
"""Decibels below which a quantized file's outputs are likely of little use."""


@dataclass(frozen=True)
class Material:
    """What every conversion needs, ready once the network is traced."""

    folder: Path
    programs: dict[str, Path]
    """Format → saved program; for `source`, the source itself."""
    specs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    inputs: list[InputSet]
    normalization: Normalization | None
    labels: tuple[str, ...]
    metadata: dict[str, str]
    shown: Shown | None = None
    """What activations are calibrated on."""
    exam: Exam | None = None
    """Labelled images to answer."""
    plan: QuantizationPlan | None = None
    """What quantization-aware training left, as far as it holds for the network as it is now."""


@dataclass(frozen=True)
class Family:
    """A file of floats, and the smaller ones that are made of it."""

    base: Target
    asked: tuple[Target, ...]
    """In the order in which they were asked for; the base need not be among them."""


def families(targets: tuple[Target, ...]) -> tuple[Family, ...]:
    """Bring together the targets whose files are made of the same file of floats."""
    bases: list[Target] = []
    for target in targets:
        if base_of(target) not in bases:
            bases.append(base_of(target))
    return tuple(
        Family(base, tuple(one for one in targets if base_of(one) == base)) for base in bases
    )


@dataclass(frozen=True)
class Delivered:
    """A saved file, and what it computed for each sample of each set."""

    target: Target
    path: Path
    converted: "Converted"
    runtime: str
    outputs: "list[list[Arrays]]"
    layers: "tuple[LayerQuantization, ...]" = ()
    """How the weights are stored, of a quantized file."""
    answers: "tuple[Arrays, ...]" = ()
    """To the labelled images, where there are any."""
    plan: QuantizationPlan | None = None
    """Whose ranges of activations it has, where layers were trained with some."""

    def judged(
        self,
        program: "Program",
        sets: list[SampleSet],
        notes: tuple[str, ...],
        shown: Shown | None = None,
    ) -> ModelFile:
        """Compare with the network's outputs, and describe the file for the manifest."""
        from mobilekit.verify.parity import judge

        shown_to = meant(self.target, sets)
        parity = judge(
            self.path.name,
            self.target,
            self.runtime,
            [(sets[i].name, sets[i].references, self.outputs[i]) for i in shown_to],
            lambda index: self._own_error(program, sets[shown_to[index]], shown),
        )
        return ModelFile(
            path=self.path.name,
            target=self.target,
            sha256=files.sha256(self.path),
            size_bytes=files.size_bytes(self.path),
            inputs=self.converted.inputs,
            outputs=self.converted.outputs,
            parity=parity,
            notes=(*self.converted.notes, *notes, *lossy(self.target, parity)),
            quantization=self.layers,
        )

    def _own_error(
        self, program: "Program", group: SampleSet, shown: Shown | None
    ) -> dict[str, float]:
        """Return what errors of this file's size do to the network, per output."""
        from mobilekit.verify.conditioning import own_error
        from mobilekit.verify.quantizing import expected_error

        wanted = quantization_of(self.target)
        if wanted is None:
            return own_error(program, group.inputs, self.target.precision)
        expected = expected_error(
            program, group.inputs, shown.inputs if shown else [], self.layers, wanted.form
        )
        if self.plan is None:
            return expected
        from mobilekit.export.quantization.trained_error import trained_error
        from mobilekit.verify.conditioning import unguarded

        module = unguarded(program)
        trained = trained_error(program, module, group.inputs, self.layers, self.plan)
        return {name: math.hypot(value, trained[name]) for name, value in expected.items()}


def lossy(target: Target, parity: ParityReport) -> tuple[str, ...]:
    """Say so where a quantized file's outputs are far from the network's, whatever the verdict."""
    worst = parity.worst
    if quantization_of(target) is None or worst is None or worst.sqnr_db >= LOSSY:
        return ()
    far = (
        f"outputs are {worst.sqnr_db:.1f} dB from the network's: look at labelled images (--data), or train"
        " for it (quantize_aware)"
    )
    if worst.least_sqnr_db > 0:
        return (far,)
    return (f"{far}; errors of this size explain any outputs, so the verdict says nothing of them",)


def deliver_source(
    target: Target, ready: "Future[Material]", crew: "Crew", threads: int
) -> Delivered:
    """Run the network's source, which is written already, in an interpreter of its own.

    Raises:
        ExportError: the crew was stopped.
    """
    from mobilekit.export.converted import Converted
    from mobilekit.runtime.source import SourceRunner

    material = ready.result()
    path = material.programs[format_of(target)]
    runner = SourceRunner(path, threads)

    def run(arrays: "Arrays") -> "Arrays":
        crew.check()
        return runner.run(arrays)

    outputs = [[run(arrays) for arrays in group.inputs] for group in material.inputs]
    made = Converted(inputs=material.specs, outputs=material.outputs)
    asked = material.exam.inputs if material.exam else []
    answers = tuple(run(arrays) for arrays in asked)
    return Delivered(target, path, made, "source", outputs, answers=answers)


def deliver(
    family: Family, ready: "Future[Material]", crew: "Crew", *, debug: bool
) -> list[Delivered | Failure]:
    """Convert to a file of floats, make the smaller ones of it, and run each, in a process of its own.

    The process starts at once and imports its converter while `ready` is awaited.

    Raises:
        ExportError: the file of floats cannot be made; a smaller one that cannot is a `Failure`.
    """
    kind = format_of(family.base)
    with crew.hire(kind, debug=debug) as worker:
        material = ready.result()
        path = material.folder / file_name(family.base)
        converted = worker.convert(
            material.programs[kind],
            family.base,
            path,
            metadata=material.metadata,
            labels=material.labels,
            normalized=material.normalization is not None,
        )
        made: list[Delivered | Failure] = []
        for target in family.asked:
            if target == family.base:
                made.append(_ran(worker, material, Delivered(target, path, converted, "", [])))
            else:
                made.append(_attempted(worker, material, target, converted))
    if family.base not in family.asked:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return made


def add(
    material: Material, file: ModelFile, targets: tuple[Target, ...], *, debug: bool
) -> list[Delivered | Failure]:
    """Make smaller files of a file of floats that is there, and run each, in a process of its own."""
    from mobilekit.export.converted import Converted
    from mobilekit.export.processes import Worker

    converted = Converted(file.inputs, file.outputs)
    with Worker(format_of(file.target), debug=debug) as worker:
        return [_attempted(worker, material, target, converted) for target in targets]


def _attempted(
    worker: "Worker", material: Material, target: Target, converted: "Converted"
) -> Delivered | Failure:
    try:
        return _ran(worker, material, _smaller(worker, material, target, converted))
    except MobilekitError as problem:
        words = f"{format_of(target)} {variant_of(target)}: {problem}"
        return Failure(target, words, problem.exit_code)


def _smaller(
    worker: "Worker", material: Material, target: Target, converted: "Converted"
) -> Delivered:
    """Make one quantized file."""
    from mobilekit.export.quantization.job import Job

    kind, wanted = format_of(target), quantization_of(target)
    assert wanted is not None  # noqa: S101  a type for the checker
    path = material.folder / file_name(target)
    with _stored(material, target, converted) as calibration:
        made = worker.quantize(
            Job(
                "quantize",
                kind,
                str(material.folder / file_name(base_of(target))),
                str(path),
                wanted,
                str(material.programs[kind]),
                target.minimum_os if isinstance(target, CoremlTarget) else "",
                calibration,
                material.plan,
            )
        )
    ends = _ends(path, converted)
    notes = (*made.notes, *(material.shown.notes if calibration and material.shown else ()))
    quantized = msgspec.structs.replace(
        converted, inputs=ends[0], outputs=ends[1], notes=notes, seconds=made.seconds
    )
    return Delivered(target, path, quantized, "", [], made.layers, plan=material.plan)


def _ran(worker: "Worker", material: Material, one: Delivered) -> Delivered:
    """Run a saved file on every sample."""
    from mobilekit.runtime import default_runtime

    runtime = default_runtime(one.path)
    scale = pixel_scale(one.target, normalized=material.normalization is not None)

    def run(inputs: "list[Arrays]") -> "list[Arrays]":
        feeds = [to_file(a, material.specs, one.converted.inputs, scale) for a in inputs]
        results = worker.run(one.path, feeds, runtime=runtime)
        return [from_file(r, material.outputs, one.converted.outputs) for r in results]

    outputs = [run(group.inputs) for group in material.inputs]
    answers = tuple(run(material.exam.inputs)) if material.exam else ()
    return replace(one, runtime=runtime, outputs=outputs, answers=answers)


@contextlib.contextmanager
def _stored(
    material: Material, target: Target, converted: "Converted"
) -> Iterator[tuple[str, ...]]:
    """Write the inputs that activations are calibrated on, as the file of floats takes them."""
    from safetensors.numpy import save_file

    from mobilekit.core.quantization import parse

    wanted = quantization_of(target)
    if material.shown is None or wanted is None or not parse(wanted.form).calibrated:
        yield ()
        return
    scale = pixel_scale(target, normalized=material.normalization is not None)
    with tempfile.TemporaryDirectory(prefix="mobilekit-") as scratch:
        paths = []
        for index, arrays in enumerate(material.shown.inputs):
            paths.append(str(Path(scratch) / f"{index}.safetensors"))
            save_file(to_file(arrays, material.specs, converted.inputs, scale), paths[-1])
        yield tuple(paths)


def _ends(
    path: Path, converted: "Converted"
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the ends of a quantized file: those of its file of floats, or integers that stand for them."""
    if path.suffix != ".tflite":
        return converted.inputs, converted.outputs
    from mobilekit.runtime.tflite import TfliteRunner

    runner = TfliteRunner(path)
    known = {spec.name: spec for spec in (*runner.inputs, *runner.outputs)}
    inputs, outputs = (
        tuple(
            msgspec.structs.replace(
                spec,
                dtype=known[spec.name].dtype,
                step=known[spec.name].step,
                zero=known[spec.name].zero,
            )
            for spec in side
        )
        for side in (converted.inputs, converted.outputs)
    )
    return inputs, outputs
