"""Whose left the left eye of a data set is: the person's own, or that of the image.

Published sets do not agree, and few say it. The masks do: a person who looks into the camera has the left
eye on the right of the image.
"""

import logging
from collections.abc import Iterable

import numpy as np

from mobilekit.core.errors import DataError
from mobilekit.data.augmentation.sides import mirrored_classes
from mobilekit.data.face_labels import FACE_LABELS
from mobilekit.data.formats.face_crops import Mask

_CLEAR = 0.75
"""Share of the votes below which masks contradict each other."""
_log = logging.getLogger(__name__)


def _exchanged() -> Mask:
    table = np.arange(256, dtype=np.uint8)
    table[: len(FACE_LABELS)] = mirrored_classes(FACE_LABELS)
    return table


EXCHANGED = _exchanged()
"""The class for each class when left and right change places, uint8 `[256]`."""
PAIRS = tuple((one, int(other)) for one, other in enumerate(EXCHANGED) if one < other)
"""Class numbers that change places: the brows, and the eyes; the left one first."""


def are_the_images(where: str, masks: Iterable[Mask]) -> bool:
    """Say whether left is that of the image; brows and eyes of all masks vote.

    Args:
        where: the data set, for messages.
        masks: classes of `FACE_LABELS`, uint8 `[H, W]`.

    Raises:
        DataError: about as many say one as the other.
    """
    votes = [vote for mask in masks for pair in PAIRS if (vote := _vote(mask, pair)) is not None]
    if not votes:
        _log.warning("%s: no mask shows both eyes or brows; left is taken for the person's", where)
        return False
    share = float(np.mean(votes))
    if max(share, 1 - share) < _CLEAR:
        raise DataError(
            f"{where}: the left eye or brow is left of the right one in {share:.0%} of {len(votes)} pairs; "
            "some labels are exchanged or some images mirrored"
        )
    return share > 0.5


def _vote(mask: Mask, pair: tuple[int, int]) -> bool | None:
    """Say whether the left one lies left in the image; None where one of them is not to be seen."""
    left, right = (np.nonzero(mask == label)[1] for label in pair)
    if not len(left) or not len(right):
        return None
    return bool(left.mean() < right.mean())
