"""Forgeries on drawn faces: who sits for an image, and the data set that is made of them."""

from dataclasses import replace
from typing import get_args

import numpy as np

from mobilekit.core.errors import DataError, suggestion
from mobilekit.core.seeding import child_seed
from mobilekit.data.faces.dataset import SIZES, camera_of
from mobilekit.data.faces.face import draw_face, draw_identity
from mobilekit.data.faces.ranges import Ranges, Style, ranges_of
from mobilekit.data.faces.render import Portrait, render
from mobilekit.data.forgeries.dataset import Forgeries, Sitting
from mobilekit.data.forgeries.splices import TRAINED, Face, Splice
from mobilekit.data.task import Labelled, Split, check_request

CLASSES = ("real", "fake")


def forgeries(
    split: Split,
    count: int,
    size: int = 96,
    seed: int = 0,
    splices: tuple[Splice, ...] = TRAINED,
    style: Style = "faces",
) -> Labelled:
    """Draw real and forged faces, half of each; image `i` is the same on every machine.

    Images are float32 `[3, size, size]` in 0–1; class 0 is real, 1 is fake. `images.mask(i)` of the result is
    how much of each pixel is foreign.

    Args:
        split: train and test share no person.
        count: images, at least 1; they are drawn when asked for.
        size: side of an image in pixels, 32–512.
        seed: of all that is random.
        splices: kinds of forgery, each equally often.
        style: of the faces and the cameras; "faces-hard" is never trained on.

    Raises:
        DataError: an unknown split, style or splice, none at all, a count below 1, or a size out of range.
    """
    check_request("forgeries", split, count)
    ranges = ranges_of(style)
    if not 32 <= size <= SIZES[1]:
        raise DataError(f"forgeries: size must be 32 to {SIZES[1]} pixels, not {size}")
    _check_splices(splices)
    key = child_seed(seed, "forgeries", style, split)
    images = Forgeries(key, count, splices, sitting_of(ranges, size), camera_of(style))
    provenance = (
        f"forgeries {size} × {size} by {' and '.join(splices)} on {style}, drawn here (seed {seed},"
        f" {count:,} {split})"
    )
    return Labelled("classification", CLASSES, images, provenance)


def sitting_of(ranges: Ranges, size: int) -> Sitting:
    """Return what draws people who take one pose and expression in one light."""

    def sitting(rng: np.random.Generator, people: int) -> list[Face]:
        first = draw_face(rng, ranges)
        others = [replace(first, identity=draw_identity(rng, ranges)) for _ in range(people - 1)]
        return [_before_the_camera(render(face, size)) for face in (first, *others)]

    return sitting


def _before_the_camera(portrait: Portrait) -> Face:
    return Face(portrait.image.astype(np.float32) / np.float32(255), portrait.labels)


def _check_splices(splices: tuple[Splice, ...]) -> None:
    known = get_args(Splice)
    wrong = [name for name in splices if name not in known]
    if wrong or not splices or len(set(splices)) < len(splices):
        near = suggestion(wrong[0], known) if wrong else ""
        raise DataError(
            f"forgeries: splices are some of {', '.join(known)}, each once; found"
            f" {', '.join(splices) or 'none'}{near}"
        )
