"""Words on pictures: captions, and a legend of colours."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Pixels = npt.NDArray[np.uint8]
INK, PAPER = (40, 40, 44), (250, 250, 250)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which matplotlib brings along on every machine."""
    import matplotlib as mpl

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def caption(text: str, width: int, size: int = 13) -> Pixels:
    """Return a line of text, uint8 `[size + 7, width, 3]`; what does not fit is cut, with an ellipsis."""
    image = Image.new("RGB", (width, size + 7), PAPER)
    shown = text
    while shown and _font(size).getlength(shown) > width - 4:
        text = text[:-1]
        shown = f"{text}…" if text else ""
    ImageDraw.Draw(image).text((2, 2), shown, INK, _font(size))
    return np.asarray(image)


def with_legend(pixels: Pixels, names: Sequence[str], colours: npt.NDArray[np.uint8]) -> Pixels:
    """Put the classes' names and colours at the right of a picture, the background left out.

    Args:
        pixels: `[H, W, 3]`.
        names: of the classes, the background first.
        colours: `[classes, 3]`.

    Returns:
        `[H', W', 3]`: wider, and as high as the legend at least.
    """
    height, rows = pixels.shape[0], len(names) - 1
    size = min(max(height // (2 * max(rows, 1)), 9), 22)
    row = size + 8
    wide = 3 * size + max((int(_font(size).getlength(name)) for name in names[1:]), default=0)
    panel = Image.new("RGB", (wide, max(height, rows * row + 8)), PAPER)
    draw = ImageDraw.Draw(panel)
    for place, name in enumerate(names[1:]):
        top, colour = 6 + place * row, tuple(colours[place + 1].tolist())
        draw.rectangle((size // 2, top, size // 2 + size, top + size), colour, INK)
        draw.text((2 * size, top - 1), name, INK, _font(size))
    low = panel.height - height
    filled = np.pad(pixels, ((0, low), (0, 0), (0, 0)), constant_values=PAPER[0])
    return np.concatenate([filled, np.asarray(panel)], axis=1)
