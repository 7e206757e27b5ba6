"""How the inside of a shape is coloured: two colours, mixed by a pattern."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mobilekit.data.shapes.outlines import Floats

STEEP = 2.5
"""How sharp edges inside a pattern are."""


def solid(u: Floats, v: Floats) -> Floats:
    """One colour."""
    return np.zeros(np.broadcast_shapes(u.shape, v.shape))


def stripes(u: Floats, v: Floats) -> Floats:
    """Bands across `u`."""
    return _sharp(np.sin(2 * np.pi * u) + 0 * v)


def checker(u: Floats, v: Floats) -> Floats:
    """Squares by turns."""
    return _sharp(2 * np.sin(np.pi * u) * np.sin(np.pi * v))


def dots(u: Floats, v: Floats) -> Floats:
    """Discs in rows."""
    return _sharp(np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v) - 0.6)


def gradient(u: Floats, v: Floats) -> Floats:
    """A smooth change across `u`, once per two units."""
    return 0.5 + 0.5 * np.sin(np.pi / 2 * u) + 0 * v


def _sharp(wave: Floats) -> Floats:
    return np.clip(STEEP * wave + 0.5, 0, 1)


PATTERNS: tuple[Callable[[Floats, Floats], Floats], ...] = (
    solid,
    stripes,
    checker,
    dots,
    gradient,
)
"""Each returns the share of the second colour, 0–1, `[h, w]`."""


@dataclass(frozen=True)
class Texture:
    """A pattern at an angle in radians, moved by a phase, with units per radius."""

    pattern: int
    angle: float
    phase: float
    units: float
    first: Floats
    """Red, green, blue, 0–1, `[3]`."""
    second: Floats

    def colours(self, u: Floats, v: Floats) -> Floats:
        """Return colours at points of a shape's frame, `[3, h, w]`."""
        cosine, sine = self.units * np.cos(self.angle), self.units * np.sin(self.angle)
        u, v = cosine * u + sine * v + self.phase, cosine * v - sine * u + self.phase
        share = PATTERNS[self.pattern](u, v)
        return self.first[:, None, None] * (1 - share) + self.second[:, None, None] * share


def choose_texture(rng: np.random.Generator, background: Floats, contrast: float) -> Texture:
    """Choose a texture whose colours both differ from the background's, `[3]`."""
    pattern = int(rng.integers(len(PATTERNS)))
    angle, phase = rng.uniform(0, (np.pi, 1))
    first, second = (_apart(rng.random((12, 3)), background, contrast) for _ in range(2))
    units = float(rng.uniform(1.0, 1.8)) if PATTERNS[pattern] is not gradient else 0.7
    return Texture(pattern, float(angle), float(phase), units, first, second)


def _apart(colours: Floats, background: Floats, contrast: float) -> Floats:
    """Return the first colour of `[n, 3]` that is far from the background, or the farthest."""
    distance = np.linalg.norm(colours - background, axis=1)
    far = np.flatnonzero(distance >= contrast)
    found: Floats = colours[far[0] if len(far) else distance.argmax()]
    return found
