"""Show a sample otherwise: augmentations in a row, all that is random from one generator."""

from collections.abc import Sequence

import numpy as np

from mobilekit.core.errors import RecipeError
from mobilekit.data.augmentation.configs import (
    Affine,
    AugmentationConfig,
    Camera,
    Colour,
    Erase,
    Flip,
)
from mobilekit.data.augmentation.covering import coloured, erased, retaken
from mobilekit.data.augmentation.moving import flipped, moved
from mobilekit.data.augmentation.sides import mirrored_classes
from mobilekit.data.task import Labelled, Sample


def augmented(
    sample: Sample,
    configs: Sequence[AugmentationConfig],
    mirrored: Sequence[int],
    rng: np.random.Generator,
) -> Sample:
    """Return a sample as the augmentations show it, one after the other.

    Args:
        sample: image `[C, H, W]` in 0–1, and target; both stay as they are.
        configs: in their order.
        mirrored: the number that each class has in the mirror.
        rng: of all that is random: the same state gives the same bits.
    """
    for config in configs:
        if rng.random() >= config.probability:
            continue
        match config:
            case Flip():
                sample = flipped(sample, mirrored)
            case Affine():
                sample = moved(sample, config, rng)
            case Colour():
                sample = (coloured(sample[0], config, rng), sample[1])
            case Erase():
                sample = erased(sample, config, rng)
            case Camera():
                sample = (retaken(sample[0], rng), sample[1])
    return sample


def check_augmentations(configs: Sequence[AugmentationConfig], data: Labelled) -> tuple[int, ...]:
    """Make sure that a data set can be augmented; return the number of each class in the mirror.

    Raises:
        RecipeError: a mirror without the other side's class, boxes that would no longer fit, or colours or
            a camera for images that have no colours.
    """
    mirrored = tuple(range(len(data.classes)))
    for config in configs:
        if isinstance(config, Flip):
            mirrored = mirrored_classes(data.classes)
        elif isinstance(config, Affine) and data.task == "detection":
            raise RecipeError(
                "affine: boxes of a detection would no longer fit what they hold; take flip, colour or erase"
            )
        elif isinstance(config, Colour) and (config.saturation or config.hue):
            channels = len(data[0][0])
            if channels != 3:
                raise RecipeError(
                    f"colour: images of {channels} channels have no saturation and no hue; set both to 0"
                )
        elif isinstance(config, Camera) and len(data[0][0]) != 3:
            raise RecipeError(
                f"camera: takes images of 3 channels, not of {len(data[0][0])}; leave it out"
            )
    return mirrored
