"""What a distortion does to an image.

torchvision's functional v2 transforms where there are such, with parameters drawn here: its classes draw
from PyTorch's global generator, which a training leaves alone.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from mobilekit.core.errors import DataError
from mobilekit.data.distortions.configs import (
    THIRDS,
    Contrast,
    Cutout,
    Distortion,
    GaussianNoise,
    Jpeg,
    MotionBlur,
    Progressive,
    Stage,
    Warp,
    Zoom,
)
from mobilekit.data.distortions.motion import along_line

_SIGHT = 2.75
"""What comes into sight of a corner moved by the most in both directions, in ways of that corner."""


def distorted(
    image: Tensor, stage: Stage, rng: np.random.Generator, progressive: Progressive = THIRDS
) -> Tensor:
    """Distort one training image as a third of the training wants it.

    Args:
        image: float32 `[C, H, W]` in 0–1, of one channel or three; it stays as it is.
        stage: 0, 1 or 2; of a training with progress 0–1, `min(2, int(3 * progress))`.
        rng: decides all that is random; the same state gives the same image.
        progressive: what each stage applies, in this order.

    Returns:
        The distorted image, of the same shape, in 0–1.

    Raises:
        DataError: a stage that does not exist, or an image of another shape or type.
    """
    if stage not in (0, 1, 2):
        raise DataError(f"distortions: the stage is 0, 1 or 2, not {stage!r}")
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.dtype != torch.float32:
        raise DataError(
            "distortions: an image is float32 [C, H, W] with 1 or 3 channels, not "
            f"{str(image.dtype).removeprefix('torch.')} {list(image.shape)}"
        )
    for distortion in progressive.at(stage):
        if rng.random() < distortion.p:
            image = applied(image, distortion, rng)
    return image


def applied(image: Tensor, distortion: Distortion, rng: np.random.Generator) -> Tensor:
    """Apply one distortion, whatever its probability, `[C, H, W]` to `[C, H, W]`."""
    match distortion:
        case MotionBlur():
            length = 3 + 2 * int(rng.integers((distortion.limit - 1) // 2))
            return along_line(image, length, rng.uniform(0, math.pi))
        case GaussianNoise():
            return _noisy(image, rng.uniform(*distortion.variance), rng)
        case Jpeg():
            quality = int(rng.integers(*distortion.quality, endpoint=True))
            return _compressed(image, quality)
        case Cutout():
            return _pierced(image, distortion, rng)
        case Warp():
            down, across = rng.uniform(-distortion.magnitude, distortion.magnitude, 2).tolist()
            return _tilted(image, down, across)
        case Zoom():
            return _zoomed(image, rng.uniform(*distortion.scale), rng)
        case Contrast():
            most = -math.log(1 - distortion.change)
            factor = math.exp(rng.uniform(-most, most))
            found: Tensor = functional.adjust_contrast(image, factor)
            return found


def _noisy(image: Tensor, variance: float, rng: np.random.Generator) -> Tensor:
    noise = torch.from_numpy(rng.standard_normal(tuple(image.shape), np.float32))
    return (image + noise.to(image.device) * (math.sqrt(variance) / 255)).clamp_(0, 1)


def _compressed(image: Tensor, quality: int) -> Tensor:
    levels = (image * 255).round_().to(torch.uint8).cpu()
    read: Tensor = functional.jpeg(levels, quality)
    return read.to(image.device, torch.float32).div_(255)


def _pierced(image: Tensor, distortion: Cutout, rng: np.random.Generator) -> Tensor:
    height, width = image.shape[1:]
    down, across = min(distortion.side, height), min(distortion.side, width)
    tops = rng.integers(height - down, size=distortion.holes, endpoint=True)
    lefts = rng.integers(width - across, size=distortion.holes, endpoint=True)
    found = image.clone()
    for top, left in zip(tops.tolist(), lefts.tolist(), strict=True):
        found = functional.erase(found, top, left, down, across, image.new_zeros(()), inplace=True)
    return found


def _tilted(image: Tensor, down: float, across: float) -> Tensor:
    """Move each corner by shares of half the side; what comes into sight is mirrored."""
    height, width = image.shape[1:]
    margin = math.ceil(_SIGHT * max(abs(down), abs(across)) * max(height, width) / 2) + 1
    margin = min(margin, height - 1, width - 1)
    padded = functional.pad(image, [margin], padding_mode="reflect")
    left, top, right, bottom = margin, margin, margin + width - 1, margin + height - 1
    x, y = across * width / 2, down * height / 2
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    moved = [
        [left - x, top - y],
        [right + x, top + y],
        [right - x, bottom - y],
        [left + x, bottom + y],
    ]
    seen: Tensor = functional.perspective(padded, corners, moved, InterpolationMode.BILINEAR)
    return seen[:, margin : margin + height, margin : margin + width].contiguous()


def _zoomed(image: Tensor, scale: float, rng: np.random.Generator) -> Tensor:
    height, width = image.shape[1:]
    free = (scale - 1) / 2
    down, across = rng.uniform(-free, free, 2).tolist()
    seen: Tensor = functional.affine(
        image,
        angle=0.0,
        translate=[across * (width - 1), down * (height - 1)],
        scale=scale,
        shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    return seen
