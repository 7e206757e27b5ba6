"""What one image shows: shapes chosen and laid over each other, then painted."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mobilekit.data.shapes.background import background
from mobilekit.data.shapes.figures import STRETCH, Figure, grid
from mobilekit.data.shapes.outlines import CLASSES, Floats
from mobilekit.data.shapes.textures import choose_texture

MOST = 4
"""Shapes of an image with several."""
VISIBLE = 0.25
"""Least share of a shape's pixels that the shapes above it leave to see."""
ONE_RADIUS = (0.28, 0.44)
"""Of the only shape of an image, as a share of the image's side."""
SEVERAL_RADIUS = (0.15, 0.28)
CONTRAST = 0.6
"""Least distance of a shape's colours from the background's, red, green and blue in 0–1."""
TILT = 0.3
"""Greatest angle by which a shape is turned, in radians."""
NOISE = 0.06
"""Greatest standard deviation of noise."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Shapes from the lowest to the highest, and which of them each pixel shows."""

    figures: tuple[Figure, ...]
    shown: npt.NDArray[np.int8]
    """`[size, size]`: the place of a figure, -1 for the background."""


def lay_one(rng: np.random.Generator, kind: int, size: int) -> Layout:
    """Choose a place for a shape; pixels are not looked at."""
    return Layout((_figure(rng, kind, size, ONE_RADIUS),), np.empty((0, 0), np.int8))


def lay_several(rng: np.random.Generator, kind: int, size: int) -> Layout:
    """Choose one to four shapes, the lowest of the given class.

    A shape that would hide too much of another, or all but nothing of itself, is left out.
    """
    others = rng.integers(len(CLASSES), size=rng.integers(MOST))
    figures: list[Figure] = []
    shown = np.full((size, size), -1, np.int8)
    pixels: list[int] = []
    for other in (kind, *others.tolist()):
        figure = _figure(rng, other, size, SEVERAL_RADIUS)
        above = shown.copy()
        mask = figure.mask(size)
        above[figure.window(size)][mask] = len(figures)
        counts = [*pixels, int(mask.sum())]
        left = np.bincount(above[above >= 0], minlength=len(counts))
        if (left > 0).all() and (left >= VISIBLE * np.array(counts)).all():
            figures.append(figure)
            pixels, shown = counts, above
    return Layout(tuple(figures), shown)


def _figure(rng: np.random.Generator, kind: int, size: int, radii: tuple[float, float]) -> Figure:
    radius = rng.uniform(*radii) * size
    x, y = rng.uniform(0.85 * radius, size - 0.85 * radius, 2).tolist()
    angle, stretch = rng.uniform((-TILT, STRETCH[0]), (TILT, STRETCH[1])).tolist()
    return Figure(kind, x, y, radius, angle, stretch)


def paint(rng: np.random.Generator, layout: Layout, size: int) -> npt.NDArray[np.uint8]:
    """Paint a layout, `[3, size, size]`."""
    colour = rng.random(3)
    image = background(rng, size, colour)
    for figure in layout.figures:
        _add(rng, image, figure, colour)
    image += rng.uniform(0, NOISE) * rng.standard_normal((3, size, size), np.float32)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _add(rng: np.random.Generator, image: Floats, figure: Figure, behind: Floats) -> None:
    texture = choose_texture(rng, behind, CONTRAST)
    rows, columns = figure.window(image.shape[-1])
    part = image[:, rows, columns]
    colours = texture.colours(*figure.frame(*grid(rows, columns)))
    part += figure.coverage(image.shape[-1]) * (colours - part)
