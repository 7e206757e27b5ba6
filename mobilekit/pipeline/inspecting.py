"""What a network or a model file is made of."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.errors import ModelError, UsageError
from mobilekit.core.reports import CostReport
from mobilekit.core.tensors import TensorSpec
from mobilekit.nets.saved import is_saved
from mobilekit.pipeline.request import ExportRequest, resolve
from mobilekit.profile.files import FileSummary
from mobilekit.recipe import RECIPE
from mobilekit.report import graph as pictures
from mobilekit.report.graph import ChannelMap

if TYPE_CHECKING:
    from mobilekit.nets.sources import Source

Progress = Callable[[str], None]
MODEL_SUFFIXES = {".tflite", ".onnx", ".mlpackage"}
PICTURES = {".svg": pictures.svg, ".html": pictures.document}


class Inspection(msgspec.Struct, frozen=True):
    """A network's cost, or the summaries of model files."""

    name: str
    cost: CostReport | None = None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    files: tuple[FileSummary, ...] = ()
    channels: ChannelMap | None = None
    """Layers and groups of a network; None for a file, and where `note` says why not."""
    note: str = ""


def inspect(request: ExportRequest, progress: Progress, picture: Path | None = None) -> Inspection:
    """Look into a model file, an artifact, or a network by any reference that `export` takes.

    Args:
        request: what to look into.
        progress: is told what is going on.
        picture: where to draw the network's channels, an `.svg` or an `.html` file.

    Raises:
        ArtifactError: a damaged or foreign file.
        ModelError: a reference that leads to no network, or channels that cannot be followed and were
            to be drawn.
        UsageError: a picture of another kind, or of something that is no network.
    """
    if picture is not None and picture.suffix not in PICTURES:
        raise UsageError(f"--graph {picture}: expected a name that ends in {' or '.join(PICTURES)}")
    path = Path(request.reference)
    recipe = (path / RECIPE).is_file() or is_saved(path)
    built = path.suffix in MODEL_SUFFIXES or (path.is_dir() and not recipe)
    if picture is not None and built:
        raise UsageError(f"--graph: {path} is no network; only a network's channels can be drawn")
    if path.suffix in MODEL_SUFFIXES:
        return Inspection(path.name, files=_summaries([path], progress))
    if built:
        manifest = artifact.read_manifest(path)
        artifact.check_files(path, manifest)
        paths = [path / file.path for file in manifest.files]
        paths = [one for one in paths if one.suffix in MODEL_SUFFIXES]
        return Inspection(
            manifest.name,
            manifest.cost,
            manifest.inputs,
            manifest.outputs,
            _summaries(paths, progress),
        )
    return _inspect_network(request, progress, picture)


def _summaries(paths: list[Path], progress: Progress) -> tuple[FileSummary, ...]:
    from mobilekit.profile.files import inspect_file

    found = []
    for path in paths:
        progress(f"reading {path.name}")
        found.append(inspect_file(path))
    return tuple(found)


def _inspect_network(
    request: ExportRequest, progress: Progress, picture: Path | None
) -> Inspection:
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
    progress("following the channels")
    channels, note = _channels(source)
    if picture is not None:
        if channels is None:
            raise ModelError(f"--graph: {note}")
        files.write_text(picture, PICTURES[picture.suffix](source.name, channels))
    return Inspection(
        source.name, cost, program.inputs, program.outputs, channels=channels, note=note
    )


def _channels(source: "Source") -> tuple[ChannelMap | None, str]:
    """Return the channels, or why they cannot be followed: the rest is of use without them."""
    from mobilekit.nets.warm import example_inputs
    from mobilekit.pipeline.channels import channel_map

    try:
        names = [spec.name for spec in source.inputs]
        return channel_map(source.module, example_inputs(source.inputs, 0), names), ""
    except ModelError as problem:
        return None, f"the channels cannot be followed: {problem}"
