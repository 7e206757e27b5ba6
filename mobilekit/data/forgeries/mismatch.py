"""How the source of a splice differs from its target: tone, colour, resolution, sharpness, noise, files."""

from dataclasses import dataclass

import numpy as np

from mobilekit.data.camera.parts import Picture, blurred, compressed, noisy, resampled
from mobilekit.data.forgeries.region import Mask

_LEAST_DEVIATION = 0.02
"""Of a channel in a region, so that a flat one is not stretched without bound."""


@dataclass(frozen=True)
class Quality:
    """What a source's way through other files left of it; without a look at its colours."""

    scale: float
    """Of a smaller copy, 1 where there was none."""
    sharpened: float
    """Factor on what is finer than a pixel's blur."""
    jpeg: int
    """Quality, 100 where it was not compressed."""
    noise: float
    """Standard deviation."""


def draw_quality(rng: np.random.Generator) -> Quality:
    """Draw a way: each step with a probability of its own."""
    smaller, sharper, filed = (rng.random(3) < (0.7, 0.3, 0.4)).tolist()
    scale, amount, jpeg, noise = rng.uniform((0.45, 0.3, 50, 0.0), (0.95, 1.2, 95, 0.015)).tolist()
    return Quality(
        scale=scale if smaller else 1.0,
        sharpened=amount if sharper else 0.0,
        jpeg=round(jpeg) if filed else 100,
        noise=noise,
    )


def degraded(image: Picture, quality: Quality, rng: np.random.Generator) -> Picture:
    """Send an image its way; `rng` decides the noise."""
    found = resampled(noisy(image, 0.0, quality.noise, rng), quality.scale)
    if quality.sharpened > 0:
        found = np.clip(found + np.float32(quality.sharpened) * (found - blurred(found, 1)), 0, 1)
    return found if quality.jpeg == 100 else compressed(found, quality.jpeg)


@dataclass(frozen=True)
class Colours:
    """A change of colours that is never none."""

    gains: tuple[float, float, float]
    lift: float
    """Added to all channels."""
    saturation: float


def draw_colours(rng: np.random.Generator, strength: float = 1.0) -> Colours:
    """Draw a change; at strength 1 the brightness changes by 10–30 %, the balance by up to 16 %."""
    towards = 1.0 if rng.random() < 0.5 else -1.0
    brightness = 1 + towards * strength * rng.uniform(0.1, 0.3)
    balance = 1 + strength * rng.uniform(-0.16, 0.16, 3)
    red, green, blue = (brightness * balance).tolist()
    return Colours(
        gains=(red, green, blue),
        lift=strength * rng.uniform(-0.05, 0.05),
        saturation=1 + strength * rng.uniform(-0.4, 0.4),
    )


def coloured(image: Picture, colours: Colours) -> Picture:
    """Change saturation, then gains, then the lift; clipped to 0–1."""
    gray = image.mean(-1, keepdims=True)
    found: Picture = gray + np.float32(colours.saturation) * (image - gray)
    found = found * np.asarray(colours.gains, np.float32) + np.float32(colours.lift)
    np.clip(found, 0, 1, out=found)
    return found


def toned_as(source: Picture, target: Picture, mask: Mask, strength: float) -> Picture:
    """Move the source's tone towards the target's: mean and deviation per channel within a mask.

    Reinhard et al. 2001, in RGB; at strength 1 both are the target's, but for clipping to 0–1.

    Args:
        source: float32 `[H, W, 3]` in 0–1.
        target: of the same shape.
        mask: where both are looked at, `[H, W]`; nothing changes where it is empty.
        strength: 0–1.
    """
    if not mask.any():
        return source
    given, wanted = source[mask].astype(np.float64), target[mask].astype(np.float64)
    stretch = wanted.std(0).clip(_LEAST_DEVIATION) / given.std(0).clip(_LEAST_DEVIATION)
    factor = (1 + strength * (stretch - 1)).astype(np.float32)
    shift = (given.mean(0) + strength * (wanted.mean(0) - given.mean(0))).astype(np.float32)
    found: Picture = (source - given.mean(0).astype(np.float32)) * factor + shift
    np.clip(found, 0, 1, out=found)
    return found
