"""What each part of a camera does to an image: pure functions on float32 `[H, W, 3]` in 0–1.

Sums and products alone decide the pixels, no vectorised power or exponential, which differ in the last
bit from one processor to the next.
"""

import io
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.float32]
"""`[H, W, 3]` in 0–1."""

_TONES = 4096
"""Entries of a gamma table."""
_REACH = 2.5
"""Half width of a blur's kernel in standard deviations."""


def blurred(image: Picture, sigma: float) -> Picture:
    """Blur by a Gaussian with a standard deviation in pixels; the edge is repeated.

    Below 0.1 pixels nothing is left of a blur, and the image is returned.
    """
    if sigma < 0.1:
        return image
    reach = max(1, math.ceil(_REACH * sigma))
    halves = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(reach + 1)]
    total = halves[0] + 2 * sum(halves[1:])
    weights = [np.float32(half / total) for half in halves]
    return _convolved(_convolved(image, weights, 0), weights, 1)


def _convolved(image: Picture, weights: list[np.float32], axis: int) -> Picture:
    """Convolve along an axis with a symmetric kernel, given from its middle outwards."""
    reach, length = len(weights) - 1, image.shape[axis]
    margins = [(reach, reach) if dimension == axis else (0, 0) for dimension in range(3)]
    padded = np.pad(image, margins, mode="edge")
    index: list[slice] = [slice(None)] * 3
    found = image * weights[0]
    for step, weight in enumerate(weights[1:], start=1):
        index[axis] = slice(reach - step, reach - step + length)
        pair = padded[tuple(index)].copy()
        index[axis] = slice(reach + step, reach + step + length)
        pair += padded[tuple(index)]
        pair *= weight
        found += pair
    return found


def vignetted(image: Picture, strength: float, centre: tuple[float, float] = (0, 0)) -> Picture:
    """Darken towards the corners: by `strength` where the distance is half a diagonal.

    Args:
        image: what the lens sees.
        strength: share of the light that is lost, 0–1.
        centre: where nothing is lost, down and across, each in -1–1.
    """
    height, width = image.shape[:2]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - np.float32(centre[0])
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :] - np.float32(centre[1])
    left = 1 - np.float32(strength) * np.minimum((down**2 + across**2) / 2, 1)
    found: Picture = image * left[..., None]
    return found


def balanced(image: Picture, gains: tuple[float, float, float]) -> Picture:
    """Multiply red, green and blue by a factor each; what exceeds 1 is clipped, as a sensor clips."""
    found: Picture = np.minimum(image * np.asarray(gains, np.float32), 1)
    return found


def noisy(image: Picture, shot: float, read: float, rng: np.random.Generator) -> Picture:
    """Add a sensor's noise, normal with variance `shot · light + read²`; clipped to 0–1."""
    deviation: Picture = np.sqrt(np.float32(shot) * image + np.float32(read * read))
    deviation *= rng.standard_normal(image.shape, np.float32)
    deviation += image
    np.clip(deviation, 0, 1, out=deviation)
    return deviation


def toned(image: Picture, gamma: float) -> Picture:
    """Raise to the power of gamma, to 1/8,190 of the light, by a table.

    >>> float(toned(np.full((1, 1, 3), 0.5, np.float32), 2.0)[0, 0, 0].round(3))
    0.25
    """
    table = np.array([(tone / (_TONES - 1)) ** gamma for tone in range(_TONES)], np.float32)
    places = (image * np.float32(_TONES - 1) + np.float32(0.5)).astype(np.uint16)
    found: Picture = np.take(table, places, mode="clip")
    return found


def resampled(image: Picture, scale: float) -> Picture:
    """Make smaller by `scale`, 0–1, and as large as before, with 8 bits per channel between."""
    height, width = image.shape[:2]
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    if small == (width, height):
        return image
    reduced = Image.fromarray(levels(image)).resize(small, Image.Resampling.BICUBIC)
    return light(reduced.resize((width, height), Image.Resampling.BICUBIC))


def compressed(image: Picture, quality: int, *, subsampled: bool = True) -> Picture:
    """Write as JPEG and read again.

    Args:
        image: to be written.
        quality: 1–100.
        subsampled: colours are stored at half size.
    """
    stream = io.BytesIO()
    picture = Image.fromarray(levels(image))
    picture.save(stream, "JPEG", quality=quality, subsampling=2 if subsampled else 0)
    with Image.open(stream, formats=("JPEG",)) as read:
        return light(read)


def levels(image: Picture) -> npt.NDArray[np.uint8]:
    """Return an image's 256 levels, rounded."""
    return (np.clip(image, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def light(picture: Image.Image) -> Picture:
    """Return the pixels of an RGB picture in 0–1."""
    return np.asarray(picture, np.float32) / np.float32(255)
