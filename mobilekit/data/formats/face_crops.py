"""The square around a face that is cut out of an image, and brought to one size."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobilekit.core.seeding import child_seed
from mobilekit.data.formats.placement import FILL
from mobilekit.data.task import Split

Mask = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge, pixels."""
MARGINS = (0.3, 0.7)
"""Of training images, as a share of the box's longer side (Berthelier, thesis, ch. 5)."""
TEST_MARGIN = 0.5
_LARGEST = 4
"""Sides of a box, in those of the image, above which it is none of a face."""
_SEED_RANGE = 1 << 63


@dataclass(frozen=True)
class Square:
    """A square region; parts of it may lie outside of the image."""

    left: float
    top: float
    side: float
    """All in pixels."""

    def scaled(self, factor: float) -> "Square":
        """Return it on an image that is `factor` times as large."""
        return Square(self.left * factor, self.top * factor, self.side * factor)

    def image(self, image: Image.Image, size: int) -> Image.Image:
        """Return the region of an RGB image, bilinear with antialiasing, gray where there is no image."""
        return self._cut(image, size, Image.Resampling.BILINEAR, FILL)

    def mask(self, mask: Mask, size: int) -> Mask:
        """Return the region of the classes of pixels `[H, W]`, nearest, 0 where there is no image."""
        return np.asarray(self._cut(Image.fromarray(mask), size, Image.Resampling.NEAREST, 0))

    def _cut(
        self,
        image: Image.Image,
        size: int,
        resampling: Image.Resampling,
        fill: int | tuple[int, int, int],
    ) -> Image.Image:
        left, top = int(np.floor(self.left)), int(np.floor(self.top))
        right = int(np.ceil(self.left + self.side))
        bottom = int(np.ceil(self.top + self.side))
        canvas = Image.new(image.mode, (right - left, bottom - top), fill)
        canvas.paste(image, (-left, -top))
        x, y = self.left - left, self.top - top
        box = (x, y, min(x + self.side, canvas.width), min(y + self.side, canvas.height))
        return canvas.resize((size, size), resampling, box)


def around(box: Box, margin: float) -> Square:
    """Return the square around the middle of a box, its side the longer one's and a margin.

    Args:
        box: in pixels.
        margin: both sides together, as a share of the longer side of the box.

    >>> around((10, 20, 30, 60), 0.5)
    Square(left=-10.0, top=10.0, side=60.0)
    """
    left, top, right, bottom = box
    side = max(right - left, bottom - top) * (1 + margin)
    return Square((left + right - side) / 2, (top + bottom - side) / 2, side)


def check_box(box: Box, width: int, height: int) -> None:
    """Refuse a box in which no face can be.

    Args:
        box: in pixels.
        width: of the image, pixels.
        height: of the image, pixels.

    Raises:
        ValueError: it is smaller than a pixel, outside of the image, or far larger than it.
    """
    left, top, right, bottom = box
    if right - left < 1 or bottom - top < 1:
        raise ValueError("no face in it: its box is smaller than a pixel")
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        raise ValueError("no face in it: its box lies outside")
    if max(right - left, bottom - top) > _LARGEST * max(width, height):
        raise ValueError("no face in it: its box is far larger than the image")


def centred(width: int, height: int) -> Square:
    """Return the largest square in the middle of an image.

    >>> centred(30, 20)
    Square(left=5.0, top=0.0, side=20)
    """
    side = min(width, height)
    return Square((width - side) / 2, (height - side) / 2, side)


def box_of(found: npt.NDArray[np.bool_]) -> Box | None:
    """Return the box of the pixels that are set, `[H, W]`; None when none is.

    >>> box_of(np.array([[False, True, True], [False, False, False]]))
    (1.0, 0.0, 3.0, 1.0)
    """
    columns, rows = np.flatnonzero(found.any(0)), np.flatnonzero(found.any(1))
    if not len(columns):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def margin_of(split: Split, seed: int, name: str) -> float:
    """Return the margin of an image: the seed's and its name's own in training, else `TEST_MARGIN`.

    Args:
        split: train or test.
        seed: of the data set.
        name: of the image: others that are broken, or come later, do not change it.
    """
    if split == "test":
        return TEST_MARGIN
    least, most = MARGINS
    return least + (most - least) * child_seed(seed, "margin", name) / _SEED_RANGE
