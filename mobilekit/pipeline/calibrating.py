"""Images in the form in which the network itself takes them, for steps that look at real inputs."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.core.artifact import Normalization
from mobilekit.core.quantization import parse
from mobilekit.core.seeding import child_seed
from mobilekit.core.targets import quantization_of
from mobilekit.data import images as photographs
from mobilekit.data.images import ImageSet
from mobilekit.pipeline.request import Plan
from mobilekit.pipeline.samples import choose_images, sample_inputs

if TYPE_CHECKING:
    from torch import Tensor

    from mobilekit.core.tensors import Arrays
    from mobilekit.nets.sources import Source
    from mobilekit.runtime.program import Program

BATCH = 8
"""Images that are shown at once."""


@dataclass(frozen=True)
class Shown:
    """Inputs that ranges of activations come from, in the network's own layout."""

    inputs: "list[Arrays]"
    provenance: str
    digest: str
    """SHA-256 of the inputs."""
    notes: tuple[str, ...] = ()


def ranges(program: "Program", plan: Plan, normalization: Normalization | None) -> Shown | None:
    """Choose what activations are calibrated on: the user's images, the recipe's, or bundled ones.

    Returns:
        None where no target needs them.

    Raises:
        DataError: no such folder, no image in it, or more than 1 in 20 that cannot be read.
    """
    wanted = [quantization_of(target) for target in plan.targets]
    if not any(parse(one.form).calibrated for one in wanted if one is not None):
        return None
    request = plan.request
    data = plan.data or request.data
    folder, count = _chosen(plan)
    images = choose_images(folder, count, plan.seed, data, calibrating=True)
    group = sample_inputs(program, images, normalization, plan.seed, plan.targets)[0]
    notes = []
    if folder is None and data is None:
        notes.append(
            f"calibrated on {len(group.inputs)} × {group.provenance}, which are not yours: give"
            " --calibrate a folder of images as the network will see them"
        )
    if images.unreadable:
        notes.append(
            f"calibration: {len(images.unreadable)} images cannot be read and were left out"
        )
    digest = hashlib.sha256()
    for arrays in group.inputs:
        for name in sorted(arrays):
            digest.update(f"{name}{arrays[name].shape}{arrays[name].dtype}".encode())
            digest.update(arrays[name].tobytes())
    return Shown(
        group.inputs, f"{len(group.inputs)} × {group.provenance}", digest.hexdigest(), tuple(notes)
    )


def _chosen(plan: Plan) -> tuple[Path | None, int]:
    """Return the folder of calibration images, and how many: the request's, else the recipe's step's."""
    from mobilekit.compress.steps.quantize import step_among

    request = plan.request
    step = step_among(plan.steps) if request.calibrate is None else None
    if step is None:
        return request.calibrate, request.calibrate_count
    return Path(step.calibrate) if step.calibrate else None, step.calibrate_count


def calibration(
    source: "Source", path: Path | None, count: int, seed: int
) -> "tuple[list[tuple[Tensor, ...]], str]":
    """Make batches of the user's images, or of the bundled photographs.

    Args:
        source: whose inputs are to be made; normalization that will be baked in is applied.
        path: folder of the user's images; None for the bundled ones.
        count: images, at most.
        seed: by which they are chosen.

    Returns:
        Positional inputs, a batch of up to `BATCH` images each, none if no input is an image; and where
        the images come from.
    """
    first = source.inputs[0] if source.inputs else None
    image = first is not None and first.whole.layout == "NCHW" and first.dtype.startswith("float")
    if not image or len(source.inputs) != 1:
        return [], "no calibration images: the network does not take a single image"
    images = choose_images(path, count, seed)
    return _batches(source, images, child_seed(seed, "calibration")), images.provenance


def _batches(source: "Source", images: ImageSet, seed: int) -> "list[tuple[Tensor, ...]]":
    import numpy as np
    import torch

    from mobilekit.export.program import normalization_of

    spec = source.inputs[0]
    normalize = normalization_of(source.normalization, source.inputs)
    pixels: photographs.PixelRange = "imagenet" if normalize is None else "0-255"
    made = photographs.batches(images, source.inputs, pixel_range=pixels, seed=seed)
    arrays = [arrays[spec.name] for arrays in made]
    whole = torch.from_numpy(np.concatenate(arrays)) if arrays else torch.zeros(spec.shape)
    if normalize is not None:
        whole = normalize(whole)
    return [(part,) for part in torch.split(whole, BATCH)]
