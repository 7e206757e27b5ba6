"""How light falls: the relief of the face, shading by its slope, shine, and shadows of hair and hats.

Only additions, products, divisions and roots touch the pixels, which every machine rounds alike.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from mobilekit.data.faces.curves import Points
from mobilekit.data.faces.pose import View
from mobilekit.data.faces.ranges import Ranges
from mobilekit.data.faces.sketch import Colour, Plane

STEEP = 0.03
"""Squared share of the head's depth at which its rim stops falling."""


@dataclass(frozen=True)
class Light:
    """One light far away and what comes from everywhere."""

    direction: tuple[float, float, float]
    """To the light: right, down, towards the camera; of length 1."""
    contrast: float
    """Share that comes from the direction."""
    colour: Colour
    shine: float
    level: float


def draw_light(rng: np.random.Generator, ranges: Ranges) -> Light:
    """Choose a light: mostly from above, from any side."""
    x, y, z = rng.uniform(-1, 1), rng.uniform(-1, 0.5), rng.uniform(0.25, 1)
    length = float(np.sqrt(x * x + y * y + z * z))
    warm = rng.uniform(-0.08, 0.08)
    return Light(
        direction=(float(x) / length, float(y) / length, float(z) / length),
        contrast=float(rng.uniform(*ranges.contrast)),
        colour=(float(1 + warm), 1.0, float(1 - warm)),
        shine=float(rng.uniform(0, 0.35) ** 1.3),
        level=float(rng.uniform(0.75, 1.25)),
    )


@dataclass(frozen=True)
class Bump:
    """A hill on the face, or with a negative height a hollow."""

    place: tuple[float, float]
    """On the surface, in halves of a mean head's width."""
    size: tuple[float, float]
    height: float


class Relief:
    """How far each pixel stands out, `[size, size]`, in halves of a mean head's width."""

    def __init__(self, view: View, outline: Points, bumps: tuple[Bump, ...], size: int) -> None:
        a, b, c, d = (np.float32(value) for value in view.turn)
        ends = view.surface(np.array([bump.place for bump in bumps]))
        span = np.float32(1 / (size * view.scale))
        steps = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * span
        origin = (view.offset / view.scale).astype(np.float32)
        x, y = (steps - origin[0])[None, :], (steps - origin[1])[:, None]
        det = a * d - b * c
        across, down = (d * x - b * y) / det, (a * y - c * x) / det
        upright = _upright(view, outline)
        low, high = upright.min(0), upright.max(0)
        middle, half = ((low + high) / 2).astype(np.float32), ((high - low) / 2).astype(np.float32)
        away = ((across - middle[0]) / half[0]) ** 2 + ((down - middle[1]) / half[1]) ** 2
        self.head = np.float32(0.62) * half[0] * np.sqrt(np.maximum(1 - away, np.float32(STEEP)))
        height = self.head.copy()
        for bump, (right, below) in zip(bumps, _upright(view, ends).tolist(), strict=True):
            q = ((across - np.float32(right)) * np.float32(1 / bump.size[0])) ** 2
            q += ((down - np.float32(below)) * np.float32(1 / bump.size[1])) ** 2
            q += 1
            height += np.float32(bump.height) / (q * q)
        self.height, self._span = height, span
        self.across, self.down = across, down
        """Place of each pixel in the turned head's plane."""

    def shading(self, light: Light, smooth: bool = False) -> tuple[Plane, Plane]:
        """Return light and shine on each pixel, `[size, size]`; `smooth` leaves the bumps out."""
        height = self.head if smooth else self.height
        right, below = np.zeros_like(height), np.zeros_like(height)
        right[:, 1:-1] = height[:, 2:] - height[:, :-2]
        below[1:-1] = height[2:] - height[:-2]
        slope = np.float32(-0.5) / self._span
        right *= slope
        below *= slope
        length = 1 / np.sqrt(right * right + below * below + 1)
        x, y, z = (np.float32(value) for value in light.direction)
        facing = (right * x + below * y + z) * length
        lit = np.float32(1 - light.contrast) * (np.float32(0.72) + np.float32(0.28) * length)
        lit += np.float32(1.25 * light.contrast) * np.maximum(facing, 0)
        half = np.float32(1 / np.sqrt(2 + 2 * light.direction[2]))
        glint = np.maximum((right * x + below * y + z + 1) * length * half, 0)
        for _ in range(4):
            glint = glint * glint
        return lit * np.float32(light.level), glint * np.float32(light.shine)


def cast(blocker: Plane, light: Light, reach: float) -> Plane:
    """Return the soft shadow that a layer before the face throws, `[size, size]`, 0–1."""
    size = len(blocker)
    image = Image.fromarray(np.rint(blocker * 255).astype(np.uint8))
    x, y = (round(-value * reach * size) for value in light.direction[:2])
    moved = Image.new("L", image.size, 0)
    moved.paste(image, (x, max(y, 0) + max(1, round(0.3 * reach * size))))
    soft = moved.filter(ImageFilter.BoxBlur(max(1, round(0.4 * reach * size))))
    return np.asarray(soft, np.float32) * np.float32(light.contrast / 255)


def _upright(view: View, points: Points) -> Points:
    """Undo cut, roll and shear of points in the image `[n, 2]`."""
    a, b, c, d = view.turn
    moved = (points - view.offset) / view.scale
    x, y, det = moved[:, 0], moved[:, 1], a * d - b * c
    return np.column_stack([(d * x - b * y) / det, (a * y - c * x) / det])
