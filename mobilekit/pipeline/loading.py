"""The other networks that a recipe names: teachers, and encoders of clusters."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.core import files
from mobilekit.core.artifact import MANIFEST, PROGRAM, is_artifact, read_manifest
from mobilekit.core.errors import ArtifactError, ModelError
from mobilekit.pipeline.bench import statistics

if TYPE_CHECKING:
    from torch import nn

    from mobilekit.nets.sources import Source


def trained(reference: str, student: "Source", seed: int) -> "nn.Module":
    """Build a network to learn from, which takes images as another one is given them.

    Args:
        reference: the folder of a network or of an artifact, a `.pt2` program, or `path/to/file.py:factory`.
        student: the network that trains; its images are what will come.
        seed: of what the network's own code draws.

    Returns:
        A network for batches; where its normalization is another than the student's, it sees its own.

    Raises:
        ModelError: no such network, one with random weights, or one that does not take the images.
        ArtifactError: an artifact that is damaged.
    """
    from mobilekit.compress.distillation.renormalized import seen_alike
    from mobilekit.nets.one_by_one import for_batches

    source = _load(reference, student, seed)
    if source.weights == "seeded":
        raise ModelError(
            f"{reference}: its weights are random, and there is nothing to learn from them; give a trained"
            " network: the folder that mobilekit run wrote, a .pt2 program, or path/to/file.py:factory that"
            " loads its weights"
        )
    _check_shapes(source, student)
    channels = student.inputs[0].shape[1]
    given, own = statistics(student), statistics(source)
    return seen_alike(for_batches(source.module), given, own, channels)


def _load(reference: str, student: "Source", seed: int) -> "Source":
    from mobilekit.nets.saved import is_saved
    from mobilekit.nets.sources import load_source

    path = Path(reference)
    folder = path.parent if path.suffix == ".pt2" else path
    described = not is_saved(folder) and is_artifact(folder)
    if described and path == folder:
        path = folder / PROGRAM
    inputs = student.inputs if ".py:" in reference else ()
    source = load_source(
        str(path) if described else reference, arguments={}, weights=None, inputs=inputs, seed=seed
    )
    if described and path.name == PROGRAM:
        manifest = read_manifest(folder)
        if files.sha256(path) != manifest.program_sha256:
            raise ArtifactError(
                f"{path}: is not the program that {MANIFEST} describes; export it again"
            )
        return replace(source, weights=manifest.weights, normalization=manifest.normalization)
    bare = path.suffix == ".pt2" and source.folder is None
    return replace(source, normalization=student.normalization) if bare else source


def _check_shapes(source: "Source", student: "Source") -> None:
    """Refuse a program of another size in the words of both networks."""
    mine, its = ([tuple(spec.shape[1:]) for spec in each.inputs] for each in (student, source))
    program = source.reference.endswith(".pt2") or source.folder is not None
    if program and mine != its:
        raise ModelError(
            f"{source.reference}: does not take the images: it takes {_words(source)}, the network that"
            f" trains {_words(student)}; give a program of the same inputs"
        )


def _words(source: "Source") -> str:
    return ", ".join(f"{spec.name}={'x'.join(map(str, spec.shape))}" for spec in source.inputs)
