"""Where a network that answers for pictures comes from: a reference, or a file of an artifact."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from mobilekit.core import artifact
from mobilekit.core.artifact import Manifest, ModelFile, floats_of
from mobilekit.core.errors import ArtifactError, ModelError
from mobilekit.core.targets import CoremlTarget
from mobilekit.nets.saved import is_saved
from mobilekit.pipeline.answering import Answering
from mobilekit.pipeline.request import ExportRequest, resolve

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays
    from mobilekit.nets.sources import Source

FileFormat = Literal["tflite", "coreml"]
THE_SHIPPED = ExportRequest(reference="")
"""The trained network that ships."""
ATTENTION = "attention"
"""Output of a network that shows where it looks."""


def open_network(
    wanted: ExportRequest,
    default: str,
    *,
    form: FileFormat = "tflite",
    attention: bool = False,
    threads: int = 1,
) -> Answering:
    """Open a network that answers for pictures.

    Args:
        wanted: its reference is what `export` takes, an artifact's folder, or one of its model files; without
            one `default` is meant.
        default: name of the trained network that ships.
        form: of the file that is run, where the reference is an artifact's folder.
        attention: it also tells where it looks, if it can.
        threads: of the runtime.

    Raises:
        ModelError: no such network, no trained one of the default name, or one that does not take a picture.
        ArtifactError: an artifact that is damaged, or without such a file.
    """
    path = Path(wanted.reference)
    folder = path.parent if path.suffix in {".tflite", ".mlpackage"} else path
    if wanted.reference and not is_saved(folder) and artifact.is_artifact(folder):
        found = _from_artifact(folder, path.name if folder != path else None, form, threads)
    elif wanted.reference and folder != path:
        raise ModelError(
            f"{path}: expected a model file in the artifact's folder that export wrote, beside"
            f" {artifact.MANIFEST}"
        )
    else:
        found = _from_source(_load(wanted, default), attention=attention)
    _check_inputs(found)
    return found


def _load(wanted: ExportRequest, default: str) -> "Source":
    from mobilekit.nets.shipped import find_shipped

    if wanted.reference:
        return resolve(wanted).load()
    if wanted.weights is None and find_shipped(default) is None:
        raise ModelError(
            f"{default}: has no trained weights here: the network is UNTRAINED, and its answer would mean"
            f" nothing; give a trained one (--net), or --net {default} to run it all the same"
        )
    return resolve(msgspec.structs.replace(wanted, reference=default)).load()


def _from_source(source: "Source", *, attention: bool) -> Answering:
    """Run a network by PyTorch."""
    import torch

    from mobilekit.runtime.program import flat

    source = _attending(source) if attention else source

    def compute(arrays: "Arrays") -> "Arrays":
        values = [torch.tensor(arrays[spec.name]).contiguous() for spec in source.inputs]
        with torch.no_grad():
            results = flat(source.module(*values))
        names = source.output_names or tuple(f"output_{i}" for i in range(len(results)))
        return {name: each.numpy() for name, each in zip(names, results, strict=False)}

    return Answering(
        name=source.name,
        by="PyTorch",
        inputs=source.inputs,
        weights=source.weights,
        labels=source.labels,
        colours=source.colours,
        state=source.state,
        pixels="0-255" if source.normalization else "imagenet",
        normalization=source.normalization,
        compute=compute,
    )


def _attending(source: "Source") -> "Source":
    """Let the network tell where it looks: it computes that anyway."""
    from mobilekit.nets.dfbuster import Dfbuster

    if isinstance(source.module, Dfbuster):
        source.module.attention_map = True
        return replace(source, output_names=("logits", ATTENTION))
    return source


def _from_artifact(folder: Path, name: str | None, form: FileFormat, threads: int) -> Answering:
    """Run a file of an artifact by its format's runtime."""
    from mobilekit.pipeline.adapting import from_file, pixel_scale, to_file
    from mobilekit.runtime import default_runtime, open_model

    manifest = artifact.read_manifest(folder)
    artifact.check_files(folder, manifest)
    file = floats_of(manifest, form) if name is None else _named(folder, manifest, name)
    path = folder / file.path
    runtime = default_runtime(path)
    runner = open_model(path, runtime, threads)
    scale = pixel_scale(file.target, normalized=manifest.normalization is not None)

    def compute(arrays: "Arrays") -> "Arrays":
        found = runner.run(to_file(arrays, manifest.inputs, file.inputs, scale))
        return from_file(found, manifest.outputs, file.outputs)

    unit = isinstance(file.target, CoremlTarget) and file.target.image_input
    return Answering(
        name=manifest.name,
        by=f"{file.path} by {runtime}",
        inputs=manifest.inputs,
        weights=manifest.weights,
        labels=manifest.labels,
        colours=manifest.colours,
        state=manifest.state,
        pixels="0-255" if manifest.normalization else "0-1" if unit else "imagenet",
        normalization=None,
        compute=compute,
    )


def _named(folder: Path, manifest: Manifest, name: str) -> ModelFile:
    found = next((file for file in manifest.files if file.path == name), None)
    if found is None:
        known = ", ".join(file.path for file in manifest.files)
        raise ArtifactError(
            f"{folder / name}: {artifact.MANIFEST} lists no such file; it has {known}"
        )
    return found


def _check_inputs(net: Answering) -> None:
    """Refuse a network that wants something else than one picture, and what it gave for the one before.

    Raises:
        ModelError: its inputs are named.
    """
    picture, *others = net.inputs
    shape = picture.whole.shape
    is_picture = (
        picture.whole.layout == "NCHW" and len(shape) == 4 and shape[:2] in {(1, 3), (1, 1)}
    )
    if not is_picture or any(spec.name not in net.state.values() for spec in others):
        found = ", ".join(f"{s.name} {'×'.join(map(str, s.shape))}" for s in net.inputs)
        raise ModelError(
            f"{net.name}: expected a network that takes one picture, 1×3×H×W; it takes {found}"
        )
