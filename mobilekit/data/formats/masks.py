"""From COCO's outlines of objects to a class per pixel.

An outline is polygons, or runs: the lengths of stretches of pixels outside and inside by turns, the
first one outside, down the columns from left to right. Runs are a list, or a text in which each
number takes characters of 5 bits (character − 48: the low bits first, bit 5 set where more follow, the
last one's bit 4 the sign), and from the fourth number on the difference to the one two before is
written. Source: the format of the data set, and the reference implementation of its authors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Mask = npt.NDArray[np.bool_]
_FINE = 5
"""Steps per pixel in which polygons are drawn, odd: one of them is the middle of the pixel."""
_FARTHEST = 1e6
_FIRST, _LAST = 48, 48 + 63


@dataclass(frozen=True, eq=False)
class Runs:
    """An outline as lengths of runs, int64 `[n]`."""

    counts: npt.NDArray[np.int64]

    def mask(self, height: int, width: int) -> Mask:
        """Return which pixels lie inside, `[H, W]`."""
        inside = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(inside, self.counts).reshape(width, height).T


@dataclass(frozen=True, eq=False)
class Polygons:
    """An outline as polygons, each float32 `[n, 2]` with x and y in pixels; edges of pixels are whole."""

    rings: tuple[npt.NDArray[np.float32], ...]

    def mask(self, height: int, width: int) -> Mask:
        """Return which pixels have their middle inside one of the polygons, `[H, W]`."""
        found = np.zeros((height, width), bool)
        for ring in self.rings:
            left, top = np.floor(ring.min(0)).astype(int).clip(0)
            right, bottom = np.minimum(np.ceil(ring.max(0)).astype(int), (width, height))
            if right > left and bottom > top:
                inside = _drawn(ring - (left, top), bottom - top, right - left)
                found[top:bottom, left:right] |= inside
        return found


Outline = Runs | Polygons


def runs_of(counts: str | Sequence[int], height: int, width: int) -> Runs:
    """Return the runs of an image.

    Args:
        counts: as text, or as numbers.
        height: of the image, pixels.
        width: of the image, pixels.

    Raises:
        ValueError: they are damaged or those of another image.

    >>> runs_of("221", 1, 5).mask(1, 5).astype(int)
    array([[0, 0, 1, 1, 0]])
    """
    numbers = _numbers(counts) if isinstance(counts, str) else list(counts)
    if min(numbers, default=0) < 0 or sum(numbers) != height * width:
        raise ValueError(f"runs of {sum(numbers)} pixels for an image of {height * width}")
    return Runs(np.array(numbers, np.int64))


def polygons_of(rings: Sequence[Sequence[float]]) -> Polygons:
    """Return the polygons of an object.

    Args:
        rings: x and y by turns, at least 3 points each.

    Raises:
        ValueError: there is none, or one with an odd number of values, less than 3 points, or points
            that no image has.
    """
    lengths = [len(ring) for ring in rings]
    if not lengths or any(length < 6 or length % 2 for length in lengths):
        raise ValueError(f"polygons of {lengths} values")
    if any(abs(value) > _FARTHEST for ring in rings for value in ring):
        raise ValueError("polygons far outside of the image")
    return Polygons(tuple(np.array(ring, np.float32).reshape(-1, 2) for ring in rings))


def painted(
    objects: Sequence[tuple[int, Outline]], height: int, width: int
) -> npt.NDArray[np.uint8]:
    """Return the class of each pixel, uint8 `[H, W]`: that of the last object there, 0 where is none.

    Args:
        objects: class and outline of each, from the back to the front.
        height: of the image, pixels.
        width: of the image, pixels.
    """
    canvas = np.zeros((height, width), np.uint8)
    for label, outline in objects:
        canvas[outline.mask(height, width)] = label
    return canvas


def _drawn(ring: npt.NDArray[np.float32], height: int, width: int) -> Mask:
    """Draw a polygon finely, and look at the middle of each pixel."""
    fine = Image.new("1", (width * _FINE, height * _FINE))
    corners = np.rint(ring * _FINE - 0.5).astype(int)  # Pillow takes whole middles of pixels
    ImageDraw.Draw(fine).polygon([(int(x), int(y)) for x, y in corners], fill=1, outline=1)
    return np.asarray(fine)[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE]


def _numbers(text: str) -> list[int]:
    """Return the numbers that a text of runs stands for."""
    numbers: list[int] = []
    value = bits = 0
    for character in text:
        code = ord(character)
        if not _FIRST <= code <= _LAST:
            raise ValueError(f"runs with the character {character!r}")
        code -= _FIRST
        value |= (code & 0x1F) << bits
        bits += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << bits
        numbers.append(value + numbers[-2] if len(numbers) > 2 else value)
        value = bits = 0
    if bits:
        raise ValueError("runs that end within a number")
    return numbers
