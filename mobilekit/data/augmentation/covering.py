"""Augmentations that leave pixels where they are: other colours, a camera, parts that cannot be seen."""

import math

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from mobilekit.data.augmentation.configs import Colour, Erase
from mobilekit.data.camera import shoot
from mobilekit.data.task import IGNORED, Sample


def coloured(image: Tensor, config: Colour, rng: np.random.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue.

    Args:
        image: `[C, H, W]` in 0–1; C 3, or 1 where saturation and hue are to stay.
        config: amounts.
        rng: is drawn from equally often whatever the amounts are.

    Returns:
        The image, in 0–1.
    """
    brightness, contrast, saturation, hue = rng.uniform(-1, 1, 4).tolist()
    if config.brightness:
        image = functional.adjust_brightness(image, 1 + brightness * config.brightness)
    if config.contrast:
        image = functional.adjust_contrast(image, 1 + contrast * config.contrast)
    if config.saturation:
        image = functional.adjust_saturation(image, 1 + saturation * config.saturation)
    if config.hue:
        image = functional.adjust_hue(image, hue * config.hue)
    return image


def retaken(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Take an image once more, by a camera that is drawn.

    Args:
        image: `[3, H, W]` in 0–1.
        rng: of the camera and its noise.

    Returns:
        The photograph, float32 of the same shape in 0–1.
    """
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy(), np.float32)
    taken = shoot(pixels, rng)
    return torch.from_numpy(np.ascontiguousarray(taken.transpose(2, 0, 1)))


def erased(sample: Sample, config: Erase, rng: np.random.Generator) -> Sample:
    """Put noise over a rectangle, which is not judged in a segmentation.

    Args:
        sample: image `[C, H, W]` in 0–1, and any target.
        config: ranges.
        rng: of place and noise.
    """
    image, target = sample
    height, width = image.shape[-2:]
    area = rng.uniform(*config.area) * height * width
    low, high = (math.log(each) for each in config.aspect)
    ratio = math.exp(rng.uniform(low, high))
    tall = min(max(round(math.sqrt(area * ratio)), 1), height)
    wide = min(max(round(math.sqrt(area / ratio)), 1), width)
    top, left = (int(rng.integers(room + 1)) for room in (height - tall, width - wide))
    noise = torch.from_numpy(rng.random((len(image), tall, wide), dtype=np.float32))
    image = functional.erase(image, top, left, tall, wide, noise.to(image.dtype))
    if isinstance(target, Tensor) and target.ndim == 2:
        target = target.clone()
        target[top : top + tall, left : left + wide] = IGNORED
    return image, target
