"""A drawing of numbered materials at several times the image's size: colours and labels come from one source.

Each polygon writes one number; what the number means (colour, label, kind of surface) is looked up
afterwards. So the label of a pixel is the majority of the very samples that its colour is the mean of.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw

from mobilekit.data.faces.curves import Points

Colour = tuple[float, float, float]
"""Red, green and blue in 0–1."""
Plane = npt.NDArray[np.float32]

LABELS = 11
MOST = 256
"""Materials of a drawing: what a byte can number."""

BACKDROP, FACE, NECK, HAIR, THING = range(5)
"""Kinds of surface: how light falls on them differs."""


@dataclass(frozen=True)
class Material:
    """What a number in the drawing stands for."""

    colour: Colour
    label: int = 0
    surface: int = THING


class Sketch:
    """Polygons, each over the ones before it; points are given in shares of the image's side."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.over = 3 if size <= 128 else 2
        """Samples along the side of a pixel."""
        side = size * self.over
        self._image = Image.new("L", (side, side), 0)
        self._draw = ImageDraw.Draw(self._image)
        self._numbers = {Material((0.0, 0.0, 0.0), 0, BACKDROP): 0}

    def polygon(self, points: Points, material: Material, within: Points | None = None) -> None:
        """Fill a polygon `[n, 2]`, where asked only the part of it inside another one."""
        number = self._numbers.setdefault(material, min(len(self._numbers), MOST - 1))
        corners = self._corners(points)
        if within is None:
            self._draw.polygon(corners.ravel().tolist(), fill=number)
            return
        window = self._corners(within)
        low = np.maximum(window.min(0), 0)
        high = np.minimum(window.max(0) + 1, self._image.width)
        if (high <= low).any():
            return
        extent = (int(high[0] - low[0]), int(high[1] - low[1]))
        mask = ImageChops.darker(_filled(window - low, extent), _filled(corners - low, extent))
        self._image.paste(number, (int(low[0]), int(low[1])), mask)

    def colours(self) -> Plane:
        """Return the mean colour of each pixel, 0 where the backdrop is, `[size, size, 3]`."""
        table = np.array([material.colour for material in self._numbers], np.float64)
        levels = np.rint(table.clip(0, 1) * 255).astype(np.uint8)
        planes = [self._reduced(levels[:, channel]) for channel in range(3)]
        return np.stack(planes, -1)

    def share(self, surface: int) -> Plane:
        """Return which share of each pixel shows a kind of surface, `[size, size]`, 0–1."""
        found = [255 * (material.surface == surface) for material in self._numbers]
        return self._reduced(np.array(found, np.uint8))

    def labels(self) -> npt.NDArray[np.uint8]:
        """Return the label that most samples of each pixel have, the lower of equals, `[size, size]`."""
        votes = np.zeros(MOST, np.uint64)
        for number, material in enumerate(self._numbers):
            votes[number] = 1 << (4 * material.label)  # 4 bits per label hold up to 9 samples
        samples = votes[np.asarray(self._image)]
        count = self.over
        rows = sum(samples[part::count] for part in range(1, count)) + samples[::count]
        pixels = sum(rows[:, part::count] for part in range(1, count)) + rows[:, ::count]
        counts = np.stack(
            [(pixels >> np.uint64(4 * label)).astype(np.uint8) & 15 for label in range(LABELS)]
        )
        found: npt.NDArray[np.uint8] = counts.argmax(0).astype(np.uint8)
        return found

    def mask(self, *polygons: Points) -> Plane:
        """Return how much of each pixel polygons cover, `[size, size]`, 0–1; nothing is drawn."""
        whole = Image.new("L", self._image.size, 0)
        draw = ImageDraw.Draw(whole)
        for points in polygons:
            draw.polygon(self._corners(points).ravel().tolist(), fill=255)
        return np.asarray(whole.reduce(self.over), np.float32) / np.float32(255)

    def _corners(self, points: Points) -> npt.NDArray[np.int64]:
        """Return points on the grid of samples, so that no machine rounds them otherwise."""
        side = self._image.width
        return np.rint(points.clip(-1, 2) * side - 0.5).astype(np.int64)

    def _reduced(self, table: npt.NDArray[np.uint8]) -> Plane:
        """Return the mean of what a table gives each sample's material, `[size, size]`, 0–1."""
        padded = np.zeros(MOST, np.uint8)
        padded[: len(table)] = table
        looked = self._image.point(padded.tolist())
        return np.asarray(looked.reduce(self.over), np.float32) / np.float32(255)


def _filled(corners: npt.NDArray[np.int64], extent: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", extent, 0)
    ImageDraw.Draw(mask).polygon(corners.ravel().tolist(), fill=255)
    return mask


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Return a colour between two, `share` of the way.

    >>> mixed((0.0, 0.0, 0.0), (1.0, 0.5, 0.0), 0.5)
    (0.5, 0.25, 0.0)
    """
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def scaled(colour: Colour, factor: float) -> Colour:
    """Return a colour lighter or darker by a factor, within 0–1."""
    red, green, blue = (min(1.0, max(0.0, value * factor)) for value in colour)
    return red, green, blue
