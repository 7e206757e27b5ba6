"""How a forgery is made from one face or two, and what an image goes through that is none.

Self-blend (Shiohara & Yamasaki 2022): a face over itself, moved and recoloured. Swap (as Face X-ray, Li et
al. 2020, has it): another face in the same pose, expression and light, its tone matched imperfectly. Parts: a
swap of eyes or mouth alone. Seamless: a swap by gradients. We depart from both papers in what an image goes
through that is no forgery: the same interpolation, way through other files, mask and mixture, with itself.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from mobilekit.core.errors import DataError, suggestion
from mobilekit.data.camera.parts import Picture, noisy
from mobilekit.data.forgeries.blending import Weights, blended, draw_edge, seamless, softened
from mobilekit.data.forgeries.mismatch import (
    coloured,
    degraded,
    draw_colours,
    draw_quality,
    toned_as,
)
from mobilekit.data.forgeries.moving import draw_move, draw_shift, moved
from mobilekit.data.forgeries.region import Mask, Region, region

Splice = Literal["self", "swap", "parts", "seamless"]
TRAINED: tuple[Splice, ...] = ("self", "swap")
"""What a network is trained on by default; the others are to judge on."""

NOISE = 0.015
"""Greatest standard deviation of an image's own noise."""
WHOLE = 0.4
"""Share of real images that go their way as a whole, not in a region."""
_WIDE: tuple[Region, ...] = ("skin", "hull", "inner")
_ALL: Region = "hull"
_LEAST_PIXELS = 8
"""Of a region; below it a part of the face does not show."""


@dataclass(frozen=True, eq=False)
class Face:
    """A drawn face before any camera."""

    image: Picture
    """Float32 `[H, W, 3]` in 0–1."""
    labels: npt.NDArray[np.uint8]
    """Helen's label of each pixel, `[H, W]`."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """An image, and how much of each pixel is foreign to it."""

    image: Picture
    weights: Weights


def forged(kind: Splice, target: Face, source: Face, rng: np.random.Generator) -> Outcome:
    """Make a forgery.

    Args:
        kind: of the splice.
        target: the face that is changed.
        source: another face in the same pose, expression and light; a self-blend does not look at it.
        rng: decides all that is random.

    Raises:
        DataError: there is no such splice, or a label map without a face.
    """
    if kind not in get_args(Splice):
        raise DataError(
            f"forgeries: a splice is {', '.join(get_args(Splice))}, not {kind!r}"
            f"{suggestion(kind, get_args(Splice))}"
        )
    plain = noisy(target.image, 0.0, rng.uniform(0, NOISE), rng)
    place, foreign = _selfs(target, rng) if kind == "self" else _others(kind, target, source, rng)
    foreign = degraded(foreign, draw_quality(rng), rng)
    if kind == "seamless":
        return Outcome(seamless(plain, foreign, place), place.astype(np.float32))
    weights = softened(place, draw_edge(rng))
    return Outcome(blended(plain, foreign, weights), weights)


def untouched(face: Face, rng: np.random.Generator) -> Outcome:
    """Send a face the way of a forgery, with nothing foreign in it: its weights are 0.

    Args:
        face: that stays what it is.
        rng: decides all that is random.

    Raises:
        DataError: a label map without a face.
    """
    plain = noisy(face.image, 0.0, rng.uniform(0, NOISE), rng)
    copy = face.image
    if rng.random() < 0.5:
        shift = draw_shift(rng)
        copy = moved(moved(copy, shift), shift.back)
    copy = degraded(copy, draw_quality(rng), rng)
    weights = softened(_place(face, _wide(rng)), draw_edge(rng))
    if rng.random() < WHOLE:
        weights = np.ones_like(weights)
    return Outcome(blended(plain, copy, weights), np.zeros_like(weights))


def _selfs(target: Face, rng: np.random.Generator) -> tuple[Mask, Picture]:
    """Return a region, and the same face moved and recoloured."""
    place = _place(target, _wide(rng))
    return place, coloured(moved(target.image, draw_move(rng)), draw_colours(rng))


def _others(
    kind: Splice, target: Face, source: Face, rng: np.random.Generator
) -> tuple[Mask, Picture]:
    """Return a region that shows the face in both images, and the other face in the target's tone."""
    part: Region = _wide(rng)
    if kind == "parts":
        part = "mouth" if rng.random() < 0.5 else "eyes"
    place = _place(target, part)
    shared = place & _place(source, part if kind != "parts" else "hull")
    place = shared if shared.sum() >= _LEAST_PIXELS else place
    alike = toned_as(source.image, target.image, place, rng.uniform(0.4, 1.0))
    return place, coloured(alike, draw_colours(rng, 0.8))


def _wide(rng: np.random.Generator) -> Region:
    return _WIDE[int(rng.integers(len(_WIDE)))]


def _place(face: Face, part: Region) -> Mask:
    """Return a part's pixels; all of the face's where the part does not show."""
    for kind in (part, _ALL):
        place = region(face.labels, kind)
        if place.sum() >= _LEAST_PIXELS:
            return place
    raise DataError("forgeries: the label map shows no face (labels 1–9)")
