"""Which part of a face is replaced: a mask by the labels of its pixels."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mobilekit.core.errors import DataError

Mask = npt.NDArray[np.bool_]
"""`[H, W]`."""
Region = Literal["skin", "hull", "inner", "mouth", "eyes"]
"""All of the face; its convex hull; the hull from brows to lips; the mouth's; the eyes'."""

_FACE = tuple(range(1, 10))
_PARTS: dict[str, tuple[int, ...]] = {
    "skin": _FACE,
    "hull": _FACE,
    "inner": tuple(range(2, 10)),
    "mouth": (7, 8, 9),
    "eyes": (2, 3, 4, 5),
}
"""Helen's labels: 1 skin, 2–3 brows, 4–5 eyes, 6 nose, 7–9 lips and inner mouth."""


def region(labels: npt.NDArray[np.uint8], kind: Region) -> Mask:
    """Return the pixels of a part of the face; none where the part does not show.

    Args:
        labels: Helen's label of each pixel, uint8 `[H, W]`.
        kind: of the part.

    Raises:
        DataError: there is no such part.
    """
    if kind not in _PARTS:
        raise DataError(f"forgeries: a region is {', '.join(get_args(Region))}, not {kind!r}")
    shown = np.zeros(256, np.bool_)
    shown[list(_PARTS[kind])] = True
    mask: Mask = shown[labels]
    return mask if kind == "skin" else hull(mask)


def hull(mask: Mask) -> Mask:
    """Return the pixels in the convex hull of a mask.

    >>> hull(np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0]], bool)).astype(int)
    array([[1, 1, 1],
           [1, 1, 0],
           [1, 0, 0]])
    """
    rows = np.flatnonzero(mask.any(1))
    if len(rows) == 0:
        return mask
    lefts = mask[rows].argmax(1)
    rights = mask.shape[1] - 1 - mask[rows, ::-1].argmax(1)
    left = _bent_outwards(list(zip(lefts.tolist(), rows.tolist(), strict=True)), 1)
    right = _bent_outwards(list(zip(rights.tolist(), rows.tolist(), strict=True)), -1)
    sheet = Image.new("L", (mask.shape[1], mask.shape[0]))
    ImageDraw.Draw(sheet).polygon([*left, *reversed(right)], fill=1, outline=1)
    found: Mask = np.asarray(sheet) > 0
    return found


def _bent_outwards(points: list[tuple[int, int]], side: int) -> list[tuple[int, int]]:
    """Keep the points of one side, from top to bottom, that no line between others passes."""
    kept: list[tuple[int, int]] = []
    for x, y in points:
        while len(kept) > 1:
            (x0, y0), (x1, y1) = kept[-2:]
            if side * ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) < 0:
                break
            kept.pop()
        kept.append((x, y))
    return kept
