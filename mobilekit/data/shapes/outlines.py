"""Which points lie inside each of the ten shapes, in the shape's own frame."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

REACH = 1.1
"""No point of a shape is farther from its origin, in radii."""


def circle(u: Floats, v: Floats) -> Mask:
    """Disc."""
    return u * u + v * v <= 0.92**2


def square(u: Floats, v: Floats) -> Mask:
    """Four equal sides."""
    return np.maximum(np.abs(u), np.abs(v)) <= 0.77


def triangle(u: Floats, v: Floats) -> Mask:
    """Three equal sides, a tip at the top."""
    found: Mask = np.maximum(v, np.sqrt(0.75) * np.abs(u) - v / 2) <= 0.54
    return found


def star(u: Floats, v: Floats) -> Mask:
    """Five rays: each half of a ray is a triangle between the origin, its tip and a notch."""
    wedge = np.pi / 5
    angle = np.abs((np.arctan2(u, -v) + wedge) % (2 * wedge) - wedge)
    distance = np.hypot(u, v)
    across, along = distance * np.sin(angle), distance * np.cos(angle)
    notch_across, notch_along = 0.45 * np.sin(wedge), 0.45 * np.cos(wedge)
    found: Mask = (along - 1.08) * notch_across <= across * (notch_along - 1.08)
    return found


def cross(u: Floats, v: Floats) -> Mask:
    """Two bars."""
    u, v = np.abs(u), np.abs(v)
    return (np.minimum(u, v) <= 0.3) & (np.maximum(u, v) <= 0.98)


def ring(u: Floats, v: Floats) -> Mask:
    """Disc with a round hole."""
    square_of_distance = u * u + v * v
    return (square_of_distance <= 0.95**2) & (square_of_distance >= 0.5**2)


def heart(u: Floats, v: Floats) -> Mask:
    """The sextic (x² + y² − 1)³ ≤ x² y³, y upwards."""
    x, y = 1.15 * u, 0.1 - 1.15 * v
    outer = x * x + y * y - 1
    return outer * outer * outer <= x * x * y * y * y


def crescent(u: Floats, v: Floats) -> Mask:
    """Disc without another that reaches over its side."""
    return (u * u + v * v <= 1) & ((u - 0.5) ** 2 + v * v > 0.8**2)


def hexagon(u: Floats, v: Floats) -> Mask:
    """Six equal sides."""
    u, v = np.abs(u), np.abs(v)
    found: Mask = np.maximum(v, v / 2 + np.sqrt(0.75) * u) <= 0.86
    return found


def arrow(u: Floats, v: Floats) -> Mask:
    """A triangle on a shaft, the tip at the top."""
    u = np.abs(u)
    head = (v <= 0) & (u <= 0.8 * (v + 1.05))
    return head | ((v > 0) & (v <= 0.95) & (u <= 0.27))


OUTLINES: dict[str, Callable[[Floats, Floats], Mask]] = {
    outline.__name__: outline
    for outline in (circle, square, triangle, star, cross, ring, heart, crescent, hexagon, arrow)
}
"""By class: `u` to the right and `v` down, in radii, any shape; whether each point lies inside."""
CLASSES = tuple(OUTLINES)
