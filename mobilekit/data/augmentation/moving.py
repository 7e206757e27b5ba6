"""Augmentations that move pixels: the target moves with them, by torchvision's transforms v2."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from mobilekit.data.augmentation.configs import Affine
from mobilekit.data.task import IGNORED, Sample, Target

LARGEST = 256
"""Numbers that a class can have, with `IGNORED` among them."""


def flipped(sample: Sample, mirrored: Sequence[int]) -> Sample:
    """Mirror left and right; classes of one side become those of the other.

    Args:
        sample: image `[C, H, W]` and target.
        mirrored: the number that each class has in the mirror; of a detection they count from 1.
    """
    image, target = sample
    return functional.horizontal_flip(image), _renumbered(
        _followed(target, image, functional.horizontal_flip), mirrored
    )


def moved(sample: Sample, config: Affine, rng: np.random.Generator) -> Sample:
    """Turn, scale, shift and shear about the centre.

    Args:
        sample: image `[C, H, W]`, and a class or `[H, W]`; not boxes, which would no longer fit.
        config: ranges.
        rng: is drawn from equally often whatever the ranges are.
    """
    image, target = sample
    height, width = image.shape[-2:]
    angle, along, across, first, second, size = rng.uniform(-1, 1, 6).tolist()
    low, high = (math.log(each) for each in config.scale)
    options: dict[str, Any] = {
        "angle": angle * config.rotation,
        "translate": [along * config.shift * width, across * config.shift * height],
        "scale": math.exp((low + high) / 2 + size * (high - low) / 2),
        "shear": [first * config.shear, second * config.shear],
    }
    turned = functional.affine(image, interpolation=InterpolationMode.BILINEAR, **options)
    if isinstance(target, dict) or target.ndim == 0:
        return turned, target
    mask = functional.affine(tv_tensors.Mask(target), fill=IGNORED, **options)
    return turned, mask.as_subclass(Tensor)


def _followed(target: Target, image: Tensor, move: Callable[[Any], Any]) -> Target:
    """Move a target as its image is moved, by kernels that torchvision keeps for its kind."""
    if isinstance(target, dict):
        size = (image.shape[-2], image.shape[-1])
        boxes = tv_tensors.BoundingBoxes(target["boxes"], format="XYXY", canvas_size=size)
        found = {**target, "boxes": move(boxes).as_subclass(Tensor)}
        if "masks" in target:
            found["masks"] = move(tv_tensors.Mask(target["masks"])).as_subclass(Tensor)
        return found
    if target.ndim == 0:
        return target
    mask: Tensor = move(tv_tensors.Mask(target)).as_subclass(Tensor)
    return mask


def _renumbered(target: Target, mirrored: Sequence[int]) -> Target:
    if list(mirrored) == list(range(len(mirrored))):
        return target
    if isinstance(target, dict):
        labels = torch.tensor([0, *(number + 1 for number in mirrored)])[target["labels"]]
        return {**target, "labels": labels}
    table = torch.arange(max(LARGEST, len(mirrored)))
    table[: len(mirrored)] = torch.tensor(mirrored)
    return table[target]
