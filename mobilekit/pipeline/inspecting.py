"""What a network or a model file is made of."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from mobilekit.core import artifact
from mobilekit.core.reports import CostReport
from mobilekit.core.tensors import TensorSpec
from mobilekit.pipeline.request import ExportRequest, resolve
from mobilekit.profile.files import FileSummary
from mobilekit.recipe import RECIPE

Progress = Callable[[str], None]
MODEL_SUFFIXES = {".tflite", ".onnx", ".mlpackage"}


class Inspection(msgspec.Struct, frozen=True):
    """A network's cost, or the summaries of model files."""

    name: str
    cost: CostReport | None = None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    files: tuple[FileSummary, ...] = ()


def inspect(request: ExportRequest, progress: Progress) -> Inspection:
    """Look into a model file, an artifact, or a network by any reference that `export` takes.

    Raises:
        ArtifactError: a damaged or foreign file.
        ModelError: a reference that leads to no network.
    """
    path = Path(request.reference)
    if path.suffix in MODEL_SUFFIXES:
        return Inspection(path.name, files=_summaries([path], progress))
    if path.is_dir() and not (path / RECIPE).is_file():
        manifest = artifact.read_manifest(path)
        artifact.check_files(path, manifest)
        paths = [path / file.path for file in manifest.files]
        return Inspection(
            manifest.name,
            manifest.cost,
            manifest.inputs,
            manifest.outputs,
            _summaries(paths, progress),
        )
    return _inspect_network(request, progress)


def _summaries(paths: list[Path], progress: Progress) -> tuple[FileSummary, ...]:
    from mobilekit.profile.files import inspect_file

    found = []
    for path in paths:
        progress(f"reading {path.name}")
        found.append(inspect_file(path))
    return tuple(found)


def _inspect_network(request: ExportRequest, progress: Progress) -> Inspection:
    from mobilekit.export.program import trace
    from mobilekit.nets.sources import check_inputs
    from mobilekit.profile.cost import cost_of_program

    plan = resolve(request)
    progress(f"loading {request.reference}")
    source = plan.load()
    check_inputs(source)
    progress("tracing")
    program = trace(
        source.module,
        source.inputs,
        normalization=source.normalization,
        output_names=source.output_names,
    )
    cost = cost_of_program(program.exported)
    return Inspection(source.name, cost, program.inputs, program.outputs)
