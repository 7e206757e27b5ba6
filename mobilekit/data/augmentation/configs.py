"""Which augmentations there are: configurations as data, read without torch."""

import math
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from mobilekit.core.errors import RecipeError

Share = Annotated[float, Meta(ge=0, le=1)]
Chance = Annotated[float, Meta(gt=0, le=1)]


class AugmentationBase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every augmentation's configuration is."""


class Flip(AugmentationBase, frozen=True, tag="flip"):
    """Mirror left and right; classes named `left …` and `right …` change places."""

    probability: Chance = 0.5


class Affine(AugmentationBase, frozen=True, tag="affine"):
    """Turn, scale, shift and shear about the centre; the image bilinear, labels nearest.

    What comes from outside the image is black, and not judged in a segmentation.
    """

    rotation: Annotated[float, Meta(ge=0, le=180)] = 15.0
    """Greatest angle, in degrees, either way."""
    scale: tuple[float, float] = (0.9, 1.1)
    """Least and greatest factor; drawn evenly in its logarithm."""
    shift: Share = 0.05
    """Greatest shift along each axis, as a share of the side."""
    shear: Annotated[float, Meta(ge=0, lt=90)] = 0.0
    """Greatest angle along each axis, in degrees, either way."""
    probability: Chance = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise RecipeError(
                f"affine: scale is a least and a greatest factor above 0, not {list(self.scale)}"
            )
        if (self.rotation, self.shift, self.shear, *self.scale) == (0, 0, 0, 1, 1):
            raise RecipeError(
                "affine: nothing moves; give rotation, scale, shift or shear, or leave it out"
            )


class Colour(AugmentationBase, frozen=True, tag="colour"):
    """Change brightness, contrast, saturation and hue, in this order.

    A factor is drawn evenly from 1 ± the amount; the hue moves by ± its amount of the whole circle.
    """

    brightness: Share = 0.2
    contrast: Share = 0.2
    saturation: Share = 0.2
    hue: Annotated[float, Meta(ge=0, le=0.5)] = 0.02
    probability: Chance = 1.0

    def __post_init__(self) -> None:
        if not (self.brightness or self.contrast or self.saturation or self.hue):
            raise RecipeError(
                "colour: nothing changes; give brightness, contrast, saturation or hue, or leave it out"
            )


class Erase(AugmentationBase, frozen=True, tag="erase"):
    """Put noise over a rectangle (Zhong et al. 2020); a segmentation is not judged there."""

    area: tuple[float, float] = (0.02, 0.15)
    """Least and greatest share of the image."""
    aspect: tuple[float, float] = (0.5, 2.0)
    """Least and greatest height over width; drawn evenly in its logarithm."""
    probability: Chance = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise RecipeError(
                f"erase: area is a least and a greatest share in 0–1, not {list(self.area)}"
            )
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise RecipeError(
                f"erase: aspect is a least and a greatest ratio above 0, not {list(self.aspect)}"
            )


class Camera(AugmentationBase, frozen=True, tag="camera"):
    """Take the image once more, by one of the cameras of the drawn data: blur, noise, tone, size, JPEG."""

    probability: Chance = 0.3


AugmentationConfig: TypeAlias = Flip | Affine | Colour | Erase | Camera


class PreviousMaskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often which mask of the frame before is shown; the shares add to 1."""

    empty: Share = 0.3
    slight: Share = 0.4
    strong: Share = 0.3
    own: Share = 0.0
    """What the network itself makes of the image as it was a moment before."""
    steady: Annotated[float, Meta(ge=0)] = 0.0
    """Weight of how far an answer is, where the truth is the same, from the one to the frame before, in nats."""

    def __post_init__(self) -> None:
        if self.steady and not self.own:
            raise RecipeError(
                "previous_mask: steady holds answers to own masks, and own is 0; give it a share"
            )
        total = self.empty + self.slight + self.strong + self.own
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise RecipeError(f"previous_mask: the shares add to {total:.6g}, not to 1")
