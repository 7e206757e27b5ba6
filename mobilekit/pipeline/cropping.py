"""Which part of a picture a network is shown."""

from typing import TYPE_CHECKING

import msgspec

from mobilekit.core.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

CENTRED = (
    "no --box was given: the centred square was taken, for faces are not found by themselves yet"
)


class Box(msgspec.Struct, frozen=True):
    """Edges in pixels; right and bottom are the first column and row outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.right},{self.bottom}"


def parse_box(text: str | None) -> Box | None:
    """Read `left,top,right,bottom`.

    Raises:
        UsageError: the text is of another form, or the box is empty.

    >>> parse_box("10,20,110,140").height
    120
    """
    if text is None:
        return None
    try:
        box = Box(*(int(part) for part in text.split(",")))
    except (TypeError, ValueError):
        raise UsageError(
            f"--box {text!r}: expected left,top,right,bottom in whole pixels, such as 40,20,240,220"
        ) from None
    if box.width < 1 or box.height < 1:
        raise UsageError(f"--box {text!r}: is empty; right lies right of left, bottom below top")
    return box


def placed(box: Box | None, pixels: "Pixels", where: object) -> Box:
    """Return the box in a picture: the one that was given, or the centred square.

    Args:
        box: as a person gave it.
        pixels: of the picture, `[H, W, 3]`.
        where: whose picture it is.

    Raises:
        DataError: it reaches beyond the picture.
    """
    height, width = pixels.shape[:2]
    if box is None:
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        return Box(left, top, left + side, top + side)
    if box.left < 0 or box.top < 0 or box.right > width or box.bottom > height:
        raise DataError(
            f"{where}: the box {box} reaches beyond the picture, which has {width} × {height} pixels"
        )
    return box


def cut(pixels: "Pixels", box: Box) -> "Pixels":
    """Return the pixels in a box: a view, `[height, width, 3]`."""
    return pixels[box.top : box.bottom, box.left : box.right]
