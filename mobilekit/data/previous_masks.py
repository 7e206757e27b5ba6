"""False masks of a previous frame, made of the true one: what a network for videos is trained with.

Empty masks teach it to do without, slightly moved ones to follow, strongly moved ones to doubt. What it is shown
in a video are its own masks, with its own mistakes: for these an image is made two frames.

Source: Tkachenka et al., Real-time Hair Segmentation and Recoloring on Mobile GPUs, 2019: empty, affine and
thin-plate transforms of the ground truth; section 5.4.2 of Berthelier's thesis. The amounts are our own.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as transforms

from mobilekit.data.augmentation.configs import PreviousMaskConfig
from mobilekit.data.augmentation.thin_plates import SIDE, bending
from mobilekit.data.task import IGNORED

Kind = Literal["empty", "slight", "strong", "own"]


@dataclass(frozen=True)
class Looseness:
    """How far a mask is from the true one, at most; all 0: not at all."""

    rotation: float = 0.0
    """Degrees, either way."""
    scale: float = 0.0
    """Natural logarithm of the factor, either way."""
    shift: float = 0.0
    """Share of the side, either way."""
    bend: float = 0.0
    """Standard deviation of the pulls on the plate, share of the side."""
    blur: float = 0.0
    """Standard deviation of the soft edge, share of the side."""
    doubt: float = 0.0
    """Share of the probability that is spread evenly over the classes."""


LOOSENESS = {
    "slight": Looseness(4.0, 0.05, 0.025, 0.008, 0.012, 0.05),
    "strong": Looseness(25.0, 0.3, 0.15, 0.04, 0.03, 0.2),
}

BETWEEN = Looseness(rotation=2.0, scale=0.02, shift=0.01, bend=0.004)
"""How far a face moves from one frame to the next, at most."""
RESTING = 0.3
"""Chance that it does not move."""
NOISE = 0.05
"""Greatest standard deviation of the noise that is each frame's own; pixels are 0–1."""


def drawn_kind(config: PreviousMaskConfig, rng: np.random.Generator) -> Kind:
    """Choose a kind by the shares."""
    value = rng.random()
    if value < config.empty:
        return "empty"
    if value < config.empty + config.slight:
        return "slight"
    return "strong" if value < config.empty + config.slight + config.strong else "own"


def previous_mask(
    target: Tensor, classes: int, channels: int, kind: Kind, rng: np.random.Generator
) -> Tensor:
    """Return a false mask of the previous frame.

    Args:
        target: the true mask, int64 `[H, W]`; what is not judged counts as background.
        classes: how many there are.
        channels: `classes` for a probability of each, as soft-max of the logits gives it; 1 for that of
            all but the background.
        kind: empty (zeros, as before the first frame), slight or strong; own counts as slight, being what
            the network is shown with the frame before.
        rng: of all that is random.

    Returns:
        float32 `[channels, H, W]`, in 0–1.
    """
    if kind == "empty":
        return torch.zeros(channels, *target.shape)
    found = loosened(target, classes, LOOSENESS["strong" if kind == "strong" else "slight"], rng)
    return found if channels == classes else 1 - found[:1]


def loosened(target: Tensor, classes: int, most: Looseness, rng: np.random.Generator) -> Tensor:
    """Move, bend and soften a mask; return each class's probability, float32 `[classes, H, W]`.

    >>> mask = torch.tensor([[0, 1], [1, 1]])
    >>> loosened(mask, 2, Looseness(), np.random.default_rng(0))[1]
    tensor([[0., 1.],
            [1., 1.]])
    """
    height, width = target.shape
    labels = target.where(target != IGNORED, 0)
    labels = _nearest(labels, *_places(height, width, most, rng))
    found = functional.one_hot(labels, classes).permute(2, 0, 1).float()
    blur, doubt = rng.random(2)
    sigma = float(blur) * most.blur * max(height, width)
    if sigma > 0.2:  # below, the next pixel has less than one in 10⁵
        side = 2 * math.ceil(2 * sigma) + 1
        found = transforms.gaussian_blur(found, [side, side], [sigma, sigma])
    return torch.lerp(found, torch.full_like(found, 1 / classes), float(doubt) * most.doubt)


def two_frames(
    image: Tensor, target: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Make an image a frame of a video and the frame before it, which is moved a little or not at all.

    Args:
        image: float32 `[C, H, W]` in 0–1.
        target: the true mask, int64 `[H, W]`.
        rng: of all that is random.

    Returns:
        The frame, which has not moved, and the one before, like the image, each with noise of its own; and
        where the truth is the same in both and judged, bool `[H, W]`.
    """
    moved, was = _moved(image, target, rng) if rng.random() >= RESTING else (image, target)
    noise = NOISE * rng.random()
    now, before = (
        (each + noise * torch.from_numpy(rng.standard_normal(each.shape, np.float32))).clamp(0, 1)
        for each in (image, moved)
    )
    return now, before, (target == was) & (target != IGNORED)


def _moved(image: Tensor, target: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    height, width = image.shape[-2:]
    x, y = _places(height, width, BETWEEN, rng)
    grid = np.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1).astype(np.float32)
    found = functional.grid_sample(
        image[None], torch.from_numpy(grid)[None], padding_mode="border", align_corners=True
    )
    return found[0], _nearest(target, x, y)


def _nearest(labels: Tensor, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Tensor:
    height, width = labels.shape
    rows = np.rint(y).clip(0, height - 1).astype(np.int64)
    columns = np.rint(x).clip(0, width - 1).astype(np.int64)
    return labels[torch.from_numpy(rows), torch.from_numpy(columns)]


def _places(
    height: int, width: int, most: Looseness, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return from which column and row each pixel comes, `[H, W]` each; outside, the border goes on."""
    angle, scale, right, down = rng.uniform(-1, 1, 4)
    angle, factor = math.radians(angle * most.rotation), math.exp(-scale * most.scale)
    pulls = rng.normal(0, 1, (SIDE * SIDE, 2)) * most.bend
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    bend = bending(height, width, pulls)
    x = x + (right * most.shift + bend[..., 0]) * width
    y = y + (down * most.shift + bend[..., 1]) * height
    cosine, sine = math.cos(angle) * factor, math.sin(angle) * factor
    return cosine * x - sine * y + (width - 1) / 2, sine * x + cosine * y + (height - 1) / 2
