"""Many small pictures on one page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobilekit.report.lettering import PAPER, caption

Pixels = npt.NDArray[np.uint8]
GAP, MARGIN = 3, 10


@dataclass(frozen=True, eq=False)
class Entry:
    """Pictures side by side, uint8 `[H, W, 3]` each, with a line below."""

    pictures: tuple[Pixels, ...]
    words: str = ""


def sheet(entries: Sequence[Entry], columns: int, side: int, title: str = "") -> Pixels:
    """Lay entries out in rows.

    Args:
        entries: at least one, all with equally many pictures.
        columns: entries in a row.
        side: to which the longer side of each picture is resized, in pixels.
        title: above all.

    Returns:
        The page, uint8 `[H, W, 3]`.
    """
    cells = [_cell(entry, side) for entry in entries]
    height, width = (max(cell.shape[axis] for cell in cells) for axis in (0, 1))
    blank = np.full((height, width, 3), PAPER[0], np.uint8)
    cells += [blank] * (-len(cells) % columns)
    whole = [_padded(cell, height, width) for cell in cells]
    rows = [
        _joined(whole[start : start + columns], 1, MARGIN)
        for start in range(0, len(whole), columns)
    ]
    page = _joined(rows, 0, MARGIN)
    if title:
        page = _joined([caption(title, page.shape[1], 16), page], 0, MARGIN)
    edge = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    return np.pad(page, edge, constant_values=PAPER[0])


def _cell(entry: Entry, side: int) -> Pixels:
    strip = _joined([_resized(picture, side) for picture in entry.pictures], 1, GAP)
    if not entry.words:
        return strip
    return _joined([strip, caption(entry.words, strip.shape[1])], 0, 0)


def _resized(picture: Pixels, side: int) -> Pixels:
    """Bring the longer side to a length; enlarged pixels stay squares."""
    factor = side / max(picture.shape[:2])
    height, width = (max(round(edge * factor), 1) for edge in picture.shape[:2])
    how = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(picture).resize((width, height), how))


def _joined(parts: Sequence[Pixels], axis: int, gap: int) -> Pixels:
    """Put pictures one after the other, the smaller ones filled up."""
    other = 1 - axis
    most = max(part.shape[other] for part in parts)
    found: list[Pixels] = []
    for place, part in enumerate(parts):
        low = most - part.shape[other]
        gaps = [(0, 0), (0, 0), (0, 0)]
        gaps[other] = (0, low)
        gaps[axis] = (gap if place else 0, 0)
        found.append(np.pad(part, gaps, constant_values=PAPER[0]))
    return np.concatenate(found, axis)


def _padded(picture: Pixels, height: int, width: int) -> Pixels:
    below, right = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=PAPER[0])
