"""How an image is moved a little: turned, scaled and shifted about its middle."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mobilekit.data.camera.parts import Picture, levels, light


@dataclass(frozen=True)
class Move:
    """A turn, a scale and a shift."""

    angle: float
    """In radians."""
    scale: tuple[float, float]
    """Down and across."""
    shift: tuple[float, float]
    """Down and across, in shares of the image's sides."""

    @property
    def back(self) -> "Move":
        """The move that undoes a shift; turn and scale are none."""
        return Move(0.0, (1.0, 1.0), (-self.shift[0], -self.shift[1]))


def draw_move(rng: np.random.Generator) -> Move:
    """Draw a move that is never none: at least 2 % of the image's side."""
    way, direction = rng.uniform(0.02, 0.05), rng.uniform(0, 2 * math.pi)
    angle, down, across = rng.uniform((-0.08, 0.92, 0.92), (0.08, 1.08, 1.08)).tolist()
    return Move(angle, (down, across), (way * math.sin(direction), way * math.cos(direction)))


def draw_shift(rng: np.random.Generator) -> Move:
    """Draw a shift by less than a pixel of an image of 100, which leaves interpolation alone to see."""
    down, across = rng.uniform(-0.01, 0.01, 2).tolist()
    return Move(0.0, (1.0, 1.0), (down, across))


def moved(image: Picture, move: Move) -> Picture:
    """Move an image, with 8 bits per channel; its edge is repeated.

    Args:
        image: float32 `[H, W, 3]` in 0–1.
        move: what is done about the image's middle.
    """
    height, width = image.shape[:2]
    margin = math.ceil(0.2 * max(height, width))
    padded = np.pad(levels(image), ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    cosine, sine = math.cos(move.angle), math.sin(move.angle)
    down, across = move.scale
    # Pillow asks, for each pixel of the result, where it comes from.
    matrix = (cosine / across, sine / across, -sine / down, cosine / down)
    middle = (width / 2, height / 2)
    x = middle[0] + move.shift[1] * width
    y = middle[1] + move.shift[0] * height
    data = (
        matrix[0],
        matrix[1],
        margin + middle[0] - matrix[0] * x - matrix[1] * y,
        matrix[2],
        matrix[3],
        margin + middle[1] - matrix[2] * x - matrix[3] * y,
    )
    picture = Image.fromarray(padded).transform(
        (width, height), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC
    )
    return light(picture)
