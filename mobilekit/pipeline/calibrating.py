"""Images in the form in which the network itself takes them, for steps that look at real inputs."""

from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.core.seeding import child_seed
from mobilekit.data import images as photographs
from mobilekit.data.images import ImageSet
from mobilekit.pipeline.samples import choose_images

if TYPE_CHECKING:
    from torch import Tensor

    from mobilekit.nets.sources import Source

BATCH = 8
"""Images that are shown at once."""


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
