"""Where a shape lies: its figure, the pixels it covers, its window."""

from dataclasses import dataclass

import numpy as np

from mobilekit.data.shapes.outlines import CLASSES, OUTLINES, REACH, Floats, Mask

FINE = 3
"""Points per pixel and direction of which coverage is the mean; odd: one is the pixel's middle."""
STRETCH = (0.87, 1.15)
"""Least and greatest ratio of a shape's height to its width."""


@dataclass(frozen=True)
class Figure:
    """A shape at a place; lengths in pixels, the angle in radians, clockwise."""

    kind: int
    """Place of its class in `CLASSES`."""
    x: float
    y: float
    radius: float
    angle: float
    stretch: float

    def frame(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return points of the image in the shape's frame, in radii."""
        cosine, sine = np.cos(self.angle) / self.radius, np.sin(self.angle) / self.radius
        x, y = x - self.x, y - self.y
        widened = np.sqrt(self.stretch)
        return (cosine * x + sine * y) * widened, (cosine * y - sine * x) / widened

    def window(self, size: int) -> tuple[slice, slice]:
        """Return the rows and columns of an image of `size` × `size` that may hold the shape."""
        reach = self.radius * REACH * float(np.sqrt(max(self.stretch, 1 / self.stretch)))
        rows, columns = (
            slice(max(0, int(middle - reach)), min(size, int(middle + reach) + 1))
            for middle in (self.y, self.x)
        )
        return rows, columns

    def mask(self, size: int) -> Mask:
        """Return which pixels of its window have their middle inside, `[h, w]`."""
        return self._inside(size, 1)

    def coverage(self, size: int) -> Floats:
        """Return how much of each pixel of its window lies inside, 0–1, `[h, w]`."""
        inside = self._inside(size, FINE)
        height, width = inside.shape
        parts = inside.reshape(height // FINE, FINE, width // FINE, FINE)
        found: Floats = parts.mean(axis=(1, 3))
        return found

    def _inside(self, size: int, fine: int) -> Mask:
        return OUTLINES[CLASSES[self.kind]](*self.frame(*grid(*self.window(size), fine)))


def grid(rows: slice, columns: slice, fine: int = 1) -> tuple[Floats, Floats]:
    """Return x `[1, w × fine]` and y `[h × fine, 1]` of points spread evenly over pixels."""
    y = (np.arange(rows.start * fine, rows.stop * fine) + 0.5) / fine
    x = (np.arange(columns.start * fine, columns.stop * fine) + 0.5) / fine
    return x[None, :], y[:, None]
