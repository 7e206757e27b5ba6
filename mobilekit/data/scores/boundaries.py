"""How well the outlines of a region are found: the boundary F-score."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
REACH = 0.0075
"""Share of the image's diagonal within which an outline counts as found (Csurka et al. 2013)."""


def boundary_f(found: Mask, right: Mask, reach: float = REACH) -> float | None:
    """Return the F-score of one region's outline in one image, 0–1 (Csurka et al., BMVC 2013).

    Precision is the share of the found outline that lies within reach of the true one, recall the
    share of the true one within reach of the found one. The frame of the image is no outline.

    Args:
        found: `[H, W]`.
        right: `[H, W]`.
        reach: share of the image's diagonal; a pixel's neighbours, also diagonal ones, are always in reach.

    Returns:
        None where there is no outline in either.

    >>> square = np.zeros((64, 64), bool)
    >>> square[20:40, 20:40] = True
    >>> boundary_f(square, square), boundary_f(np.roll(square, 30, 1), square)
    (1.0, 0.0)
    """
    lines = [_outline(mask) for mask in (found, right)]
    if not any(line.any() for line in lines):
        return None
    if not all(line.any() for line in lines):
        return 0.0
    least = max(reach * float(np.hypot(*found.shape)), 2**0.5)
    precision = (_distance(lines[1])[lines[0]] <= least).mean()
    recall = (_distance(lines[0])[lines[1]] <= least).mean()
    total = float(precision + recall)
    return 2 * float(precision * recall) / total if total else 0.0


def _outline(mask: Mask) -> Mask:
    """Return the pixels of a region that have a neighbour, above, below, left or right, outside it."""
    found: Mask = mask & ~ndimage.binary_erosion(mask, border_value=1)
    return found


def _distance(line: Mask) -> npt.NDArray[np.float64]:
    """Return how far each pixel is from a line, in pixels."""
    found: npt.NDArray[np.float64] = ndimage.distance_transform_edt(~line)
    return found
