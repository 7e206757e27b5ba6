"""What lies behind the shapes: a gradient, clouds, and clutter that is no shape."""

import numpy as np

from mobilekit.data.shapes.figures import grid
from mobilekit.data.shapes.outlines import Floats

CLOUDS = 5
"""Values along a side from which clouds are interpolated."""
CLUTTER = 5
"""Most lines and specks."""


def background(rng: np.random.Generator, size: int, colour: Floats) -> Floats:
    """Draw a background around a colour `[3]`: `[3, size, size]`, 0–1 but for small excess."""
    whole = slice(0, size)
    x, y = grid(whole, whole)
    slope = rng.uniform(-0.15, 0.15, (2, 3, 1, 1))
    image = colour[:, None, None] + slope[0] * (2 * x / size - 1) + slope[1] * (2 * y / size - 1)
    strength = rng.uniform(0, 0.15)
    weights = _tents(size)
    image += strength * (weights @ rng.uniform(-1, 1, (3, CLOUDS, CLOUDS)) @ weights.T)
    for _ in range(rng.integers(CLUTTER + 1)):
        _add_clutter(rng, image, x, y)
    found: Floats = image
    return found


def _tents(size: int) -> Floats:
    """Return what bilinear interpolation from few values to `size` multiplies by, `[size, few]`."""
    places = np.linspace(0, CLOUDS - 1, size)
    found: Floats = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(CLOUDS)))
    return found


def _add_clutter(rng: np.random.Generator, image: Floats, x: Floats, y: Floats) -> None:
    """Draw a line, or a speck, which is a line without length."""
    size = image.shape[-1]
    start = rng.uniform(0, size, 2)
    speck = rng.random() < 0.5
    along = np.zeros(2) if speck else rng.uniform(-0.5, 0.5, 2) * size
    half = size * (rng.uniform(0.015, 0.05) if speck else rng.uniform(0.01, 0.02))
    colour = rng.random(3)
    x, y = x - start[0], y - start[1]
    length = max(float(along @ along), 1e-9)
    part = np.clip((x * along[0] + y * along[1]) / length, 0, 1)
    distance = np.hypot(x - part * along[0], y - part * along[1])
    cover = np.clip(half + 0.5 - distance, 0, 1)
    image += cover * (colour[:, None, None] - image)
