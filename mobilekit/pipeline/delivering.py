"""One target: its worker converts the program, runs the saved file, and the outputs are judged."""

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.core import files
from mobilekit.core.artifact import ModelFile, Normalization
from mobilekit.core.targets import SUFFIXES, Target, format_of
from mobilekit.core.tensors import TensorSpec
from mobilekit.pipeline.adapting import from_file, pixel_scale, to_file
from mobilekit.pipeline.samples import InputSet, SampleSet

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays
    from mobilekit.export.converted import Converted
    from mobilekit.runtime.program import Program


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


@dataclass(frozen=True)
class Delivered:
    """A saved file, and what it computed for each sample of each set."""

    target: Target
    path: Path
    converted: "Converted"
    runtime: str
    outputs: "list[list[Arrays]]"

    def judged(
        self, program: "Program", sets: list[SampleSet], notes: tuple[str, ...]
    ) -> ModelFile:
        """Compare with the network's outputs, and describe the file for the manifest."""
        from mobilekit.verify.conditioning import own_error
        from mobilekit.verify.parity import judge

        parity = judge(
            self.path.name,
            self.target,
            self.runtime,
            [
                (group.name, group.references, actual)
                for group, actual in zip(sets, self.outputs, strict=True)
            ],
            lambda index: own_error(program, sets[index].inputs, self.target.precision),
        )
        return ModelFile(
            path=self.path.name,
            target=self.target,
            sha256=files.sha256(self.path),
            size_bytes=files.size_bytes(self.path),
            inputs=self.converted.inputs,
            outputs=self.converted.outputs,
            parity=parity,
            notes=(*self.converted.notes, *notes),
        )


def deliver_source(target: Target, ready: "Future[Material]", threads: int) -> Delivered:
    """Run the network's source, which is written already, in an interpreter of its own."""
    from mobilekit.export.converted import Converted
    from mobilekit.runtime.source import SourceRunner

    material = ready.result()
    path = material.programs[format_of(target)]
    runner = SourceRunner(path, threads)
    outputs = [[runner.run(arrays) for arrays in group.inputs] for group in material.inputs]
    made = Converted(inputs=material.specs, outputs=material.outputs)
    return Delivered(target, path, made, "source", outputs)


def deliver(target: Target, ready: "Future[Material]", *, debug: bool) -> Delivered:
    """Convert to one target and run the saved file, in a process of its own.

    The process starts at once and imports its converter while `ready` is awaited.
    """
    from mobilekit.export.processes import Worker
    from mobilekit.runtime import default_runtime

    kind = format_of(target)
    with Worker(kind, debug=debug) as worker:
        material = ready.result()
        path = material.folder / f"model{SUFFIXES[kind]}"
        converted = worker.convert(
            material.programs[kind],
            target,
            path,
            metadata=material.metadata,
            labels=material.labels,
            normalized=material.normalization is not None,
        )
        runtime = default_runtime(path)
        scale = pixel_scale(target, normalized=material.normalization is not None)
        outputs = [
            [
                from_file(result, material.outputs, converted.outputs)
                for result in worker.run(
                    path,
                    [to_file(a, material.specs, converted.inputs, scale) for a in group.inputs],
                    runtime=runtime,
                )
            ]
            for group in material.inputs
        ]
    return Delivered(target, path, converted, runtime, outputs)
