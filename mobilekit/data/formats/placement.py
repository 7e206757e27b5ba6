"""Where an image, its boxes and its mask go when it is brought to one size."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Fit = Literal["letterbox", "resize"]
"""Letterbox keeps the proportions and fills what is left over; resize stretches."""
FILL = (114, 114, 114)
"""Colour around a letterboxed image, as detectors of the YOLO family have it."""


@dataclass(frozen=True)
class Placement:
    """An image of some size on a square canvas."""

    before: tuple[int, int]
    """Width and height of the image, pixels."""
    after: tuple[int, int]
    """The same on the canvas."""
    corner: tuple[int, int]
    """Where its left upper corner is."""
    size: int
    """Of the canvas, both sides."""

    def image(self, image: Image.Image) -> Image.Image:
        """Return the canvas with the image on it."""
        canvas = Image.new("RGB", (self.size, self.size), FILL)
        canvas.paste(image.resize(self.after, Image.Resampling.BILINEAR), self.corner)
        return canvas

    def mask(self, mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the canvas with the classes of pixels `[H, W]` on it, and 0 around them."""
        canvas = Image.new("L", (self.size, self.size))
        small = Image.fromarray(mask).resize(self.after, Image.Resampling.NEAREST)
        canvas.paste(small, self.corner)
        return np.asarray(canvas)

    def boxes(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return boxes of the image, float32 `[n, 4]` left, top, right, bottom, on the canvas."""
        scale = np.array(self.after, np.float32) / np.array(self.before, np.float32)
        return boxes * np.tile(scale, 2) + np.tile(np.array(self.corner, np.float32), 2)


def placed(width: int, height: int, size: int, fit: Fit) -> Placement:
    """Return where an image goes, letterboxed in the middle.

    Args:
        width: of the image, pixels.
        height: of the image, pixels.
        size: of both sides of the canvas, pixels.
        fit: how it is brought there.

    >>> placed(200, 100, 50, "letterbox")
    Placement(before=(200, 100), after=(50, 25), corner=(0, 12), size=50)
    """
    if fit == "resize":
        return Placement((width, height), (size, size), (0, 0), size)
    scale = size / max(width, height)
    after = max(1, round(width * scale)), max(1, round(height * scale))
    corner = (size - after[0]) // 2, (size - after[1]) // 2
    return Placement((width, height), after, corner, size)
