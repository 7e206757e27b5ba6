"""Distortions for progressive learning: images that grow harder in three thirds of a training.

What it does: `distorted(image, stage, rng)` applies what the stage lists, each with its own probability,
to one training image. When to use it: in the training alone, `stage = min(2, int(3 · progress))`. When not:
on images that are judged, or on targets with a place (masks, boxes), which would not follow.
Source: Hubens, thesis, chapter 6; warp, zoom and contrast as fastai's `aug_transforms`.
"""

from mobilekit.data.distortions.applying import distorted
from mobilekit.data.distortions.configs import (
    THIRDS,
    Contrast,
    Cutout,
    Distortion,
    GaussianNoise,
    Jpeg,
    MotionBlur,
    Progressive,
    Stage,
    Warp,
    Zoom,
)

__all__ = [
    "THIRDS",
    "Contrast",
    "Cutout",
    "Distortion",
    "GaussianNoise",
    "Jpeg",
    "MotionBlur",
    "Progressive",
    "Stage",
    "Warp",
    "Zoom",
    "distorted",
]
