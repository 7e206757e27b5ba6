"""How a camera takes an image: its parts, one after the other."""

import numpy as np

from mobilekit.core.errors import DataError
from mobilekit.data.camera.parts import (
    Picture,
    balanced,
    blurred,
    compressed,
    noisy,
    resampled,
    toned,
    vignetted,
)
from mobilekit.data.camera.ranges import EVERYDAY, CameraRanges, CameraSettings, draw


def shoot(image: Picture, rng: np.random.Generator, ranges: CameraRanges = EVERYDAY) -> Picture:
    """Take an image with a camera drawn from ranges.

    Args:
        image: what is before the camera, float32 `[H, W, 3]` in 0–1.
        rng: decides the settings and the noise.
        ranges: of the camera.

    Returns:
        The photograph, float32 `[H, W, 3]` in 0–1, in 256 levels.

    Raises:
        DataError: an image of another shape or type.
    """
    return apply(image, draw(rng, ranges), rng)


def apply(image: Picture, settings: CameraSettings, rng: np.random.Generator) -> Picture:
    """Take an image with given settings; frames of a clip share them, and each has its own noise.

    Args:
        image: what is before the camera, float32 `[H, W, 3]` in 0–1.
        settings: of the camera.
        rng: decides the noise.

    Returns:
        The photograph, float32 `[H, W, 3]` in 0–1, in 256 levels.

    Raises:
        DataError: an image of another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.float32:
        raise DataError(
            f"camera: an image is float32 [H, W, 3], not {image.dtype} {list(image.shape)}"
        )
    seen = blurred(image, settings.blur * min(image.shape[:2]) / 100)
    seen = vignetted(seen, settings.vignette, settings.centre)
    seen = noisy(balanced(seen, settings.gains), settings.shot, settings.read, rng)
    developed = resampled(toned(seen, settings.gamma), settings.scale)
    return compressed(developed, settings.quality, subsampled=settings.subsampled)
