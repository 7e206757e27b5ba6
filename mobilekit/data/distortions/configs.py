"""Which distortions there are: their ranges as data, and the three lists of the thesis."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Stage = Literal[0, 1, 2]
"""Third of the training, from the first."""


class DistortionBase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every distortion's configuration is."""


class MotionBlur(DistortionBase, frozen=True, tag="motion-blur"):
    """The image moves along a line while it is taken."""

    limit: Annotated[int, Meta(ge=3, le=99)]
    """Longest way in pixels; drawn among the odd lengths from 3 on."""
    p: Share = 0.3


class GaussianNoise(DistortionBase, frozen=True, tag="gaussian-noise"):
    """Normal noise, independent for each pixel and channel."""

    variance: tuple[float, float]
    """Least and greatest, of levels 0–255."""
    p: Share = 0.3


class Jpeg(DistortionBase, frozen=True, tag="jpeg"):
    """The image is compressed once more."""

    quality: tuple[Annotated[int, Meta(ge=1, le=100)], Annotated[int, Meta(ge=1, le=100)]]
    """Least and greatest, 1–100."""
    p: Share = 0.3


class Cutout(DistortionBase, frozen=True, tag="cutout"):
    """Squares become black."""

    holes: Annotated[int, Meta(ge=1)]
    side: Annotated[int, Meta(ge=1)]
    """Of each square, in pixels."""
    p: Share = 0.3


class Warp(DistortionBase, frozen=True, tag="warp"):
    """The image is seen from aside, in perspective."""

    magnitude: Annotated[float, Meta(gt=0, le=0.2)] = 0.2
    """Greatest way of a corner in each direction, as a share of half the side."""
    p: Share = 0.75


class Zoom(DistortionBase, frozen=True, tag="zoom"):
    """A part of the image fills all of it."""

    scale: tuple[Annotated[float, Meta(ge=1)], Annotated[float, Meta(ge=1)]] = (1.0, 1.1)
    p: Share = 0.75


class Contrast(DistortionBase, frozen=True, tag="contrast"):
    """Levels move away from their mean, or towards it."""

    change: Annotated[float, Meta(gt=0, lt=1)] = 0.2
    """The factor is between `1 - change` and its inverse."""
    p: Share = 0.75


Distortion: TypeAlias = MotionBlur | GaussianNoise | Jpeg | Cutout | Warp | Zoom | Contrast


class Progressive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is applied in each third of a training, in this order."""

    first: tuple[Distortion, ...]
    second: tuple[Distortion, ...]
    third: tuple[Distortion, ...]

    def at(self, stage: Stage) -> tuple[Distortion, ...]:
        """Return the list of a stage."""
        return (self.first, self.second, self.third)[stage]


_SEEN = (Warp(), Zoom(), Contrast())
THIRDS = Progressive(
    first=(
        *_SEEN,
        MotionBlur(3),
        GaussianNoise((25, 50)),
        Jpeg((50, 90)),
        Cutout(holes=3, side=3),
    ),
    second=(
        *_SEEN,
        MotionBlur(7),
        GaussianNoise((50, 100)),
        Jpeg((30, 80)),
        Cutout(holes=7, side=7),
    ),
    third=(
        *_SEEN,
        MotionBlur(9),
        GaussianNoise((25, 200)),
        Jpeg((20, 70)),
        Cutout(holes=9, side=9),
    ),
)
"""The thesis' three thirds."""
