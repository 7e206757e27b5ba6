"""What is behind the head: textures, and shapes of the colour of skin that are no face."""

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from mobilekit.data.faces.head import draw_skin

SIDE = 128
"""Pixels along the side in which a backdrop is drawn, whatever the image's size."""
RGB = tuple[int, int, int]
Pixels = npt.NDArray[np.uint8]


@functools.lru_cache(maxsize=16)
def backdrop(kind: str, seed: int, decoys: int, size: int) -> Pixels:
    """Draw a backdrop, uint8 `[size, size, 3]`, read-only; kept, because a clip asks for it again."""
    rng = np.random.default_rng(seed)
    image = KINDS[kind](rng)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(decoys + 1))):
        _add_decoy(rng, draw)
    image = image.filter(ImageFilter.BoxBlur(int(rng.integers(0, 4))))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    pixels.setflags(write=False)
    return pixels


def noise(rng: np.random.Generator, cells: tuple[int, int], size: int) -> Image.Image:
    """Return smooth gray noise of so many cells across and down, `size` pixels wide and high."""
    small = Image.fromarray(rng.integers(0, 256, (cells[1], cells[0]), dtype=np.uint8))
    return small.resize((size, size), Image.Resampling.BICUBIC)


def _clouds(rng: np.random.Generator) -> Image.Image:
    cells = int(rng.integers(3, 24))
    low, high = _colour(rng), _colour(rng)
    return Image.composite(_plain(low), _plain(high), noise(rng, (cells, cells), SIDE))


def _plasma(rng: np.random.Generator) -> Image.Image:
    total = np.zeros((SIDE, SIDE, 3), np.int64)
    for cells, weight in ((3, 5), (8, 4), (20, 4), (64, 3)):
        small = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += weight * np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.int64)
    return Image.fromarray((total // 16).astype(np.uint8))


def _gradient(rng: np.random.Generator) -> Image.Image:
    corners = Image.fromarray(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8))
    return corners.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def _stripes(rng: np.random.Generator) -> Image.Image:
    image = _gradient(rng)
    draw, colours = ImageDraw.Draw(image), [_colour(rng) for _ in range(2)]
    step, slope, width = (
        int(rng.integers(6, 28)),
        int(rng.integers(-SIDE, SIDE)),
        int(rng.integers(2, 12)),
    )
    for place, x in enumerate(range(-SIDE, 2 * SIDE, step)):
        draw.line([x, 0, x + slope, SIDE], fill=colours[place % 2], width=width)
    return image


def _shards(rng: np.random.Generator) -> Image.Image:
    image = _gradient(rng)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(6, 22))):
        corners = rng.integers(-20, SIDE + 20, 2) + rng.integers(-45, 45, (3, 2))
        draw.polygon(corners.ravel().tolist(), fill=_colour(rng))
    return image


def _spots(rng: np.random.Generator) -> Image.Image:
    image = _clouds(rng)
    draw = ImageDraw.Draw(image)
    for x, y, r in rng.integers(
        (0, 0, 2), (SIDE, SIDE, 18), (int(rng.integers(10, 50)), 3)
    ).tolist():
        draw.ellipse([x - r, y - r, x + r, y + r], fill=_colour(rng))
    return image


def _crowd(rng: np.random.Generator) -> Image.Image:
    """Draw rough heads: skin and hair, with eyes and a mouth."""
    image = _clouds(rng)
    draw = ImageDraw.Draw(image)
    for x, y, r in rng.integers(
        (0, 0, 10), (SIDE, SIDE, 30), (int(rng.integers(4, 12)), 3)
    ).tolist():
        skin, dark = _skin(rng), tuple(rng.integers(0, 90, 3).tolist())
        draw.ellipse([x - r, y - 1.5 * r, x + r, y + r], fill=dark)
        draw.ellipse([x - 0.8 * r, y - r, x + 0.8 * r, y + 1.2 * r], fill=skin)
        for side in (-1, 1):
            draw.ellipse([x + 0.4 * side * r - 2, y - 2, x + 0.4 * side * r + 2, y + 1], fill=dark)
        draw.line([x - 0.3 * r, y + 0.7 * r, x + 0.3 * r, y + 0.7 * r], fill=(150, 70, 70), width=2)
    return image


def _bricks(rng: np.random.Generator) -> Image.Image:
    image = _plain(_colour(rng))
    draw, base = ImageDraw.Draw(image), np.array(_colour(rng))
    high, wide = int(rng.integers(8, 20)), int(rng.integers(16, 44))
    for row, y in enumerate(range(0, SIDE, high)):
        for x in range(-(row % 2) * wide // 2, SIDE, wide):
            shade = (base + rng.integers(-30, 30)).clip(0, 255)
            draw.rectangle([x, y, x + wide - 3, y + high - 3], fill=tuple(shade.tolist()))
    return image


def _foliage(rng: np.random.Generator) -> Image.Image:
    image = _clouds(rng)
    draw = ImageDraw.Draw(image)
    for x, y in rng.integers(0, SIDE, (160, 2)).tolist():
        dx, dy = rng.integers(-12, 13, 2).tolist()
        green = (int(rng.integers(10, 120)), int(rng.integers(50, 190)), int(rng.integers(10, 90)))
        draw.polygon(
            [x, y, x + dx, y + dy // 2, x + dx + dy, y + dy, x + dx // 2, y + dy], fill=green
        )
    return image


def _rooms(rng: np.random.Generator) -> Image.Image:
    image = _gradient(rng)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(6, 16))):
        x, y = rng.integers(-20, SIDE, 2).tolist()
        wide, high = rng.integers(8, 70, 2).tolist()
        draw.rectangle([x, y, x + wide, y + high], fill=_colour(rng), outline=_colour(rng))
    return image


def _add_decoy(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    """Draw something of the colour of skin."""
    x, y, wide, high = rng.integers((0, 0, 6, 6), (SIDE, SIDE, 40, 40)).tolist()
    if rng.random() < 0.5:
        draw.ellipse([x - wide, y - high, x + wide, y + high], fill=_skin(rng))
    else:
        corners = np.array((x, y)) + rng.integers(-45, 45, (4, 2))
        draw.polygon(corners.ravel().tolist(), fill=_skin(rng))


def _colour(rng: np.random.Generator) -> RGB:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _skin(rng: np.random.Generator) -> RGB:
    red, green, blue = (min(255, max(0, int(255 * value))) for value in draw_skin(rng))
    return red, green, blue


def _plain(colour: RGB) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), colour)


KINDS: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "gradient": _gradient,
    "clouds": _clouds,
    "stripes": _stripes,
    "shards": _shards,
    "spots": _spots,
    "crowd": _crowd,
    "bricks": _bricks,
    "foliage": _foliage,
    "plasma": _plasma,
    "rooms": _rooms,
}
