"""False masks of a previous frame, made of the true one: what a network for videos is trained with.

Empty masks teach it to do without, slightly moved ones to follow, strongly moved ones to doubt.

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

Kind = Literal["empty", "slight", "strong"]


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


def drawn_kind(config: PreviousMaskConfig, rng: np.random.Generator) -> Kind:
    """Choose a kind by the shares."""
    value = rng.random()
    if value < config.empty:
        return "empty"
    return "slight" if value < config.empty + config.slight else "strong"


def previous_mask(
    target: Tensor, classes: int, channels: int, kind: Kind, rng: np.random.Generator
) -> Tensor:
    """Return a false mask of the previous frame.

    Args:
        target: the true mask, int64 `[H, W]`; what is not judged counts as background.
        classes: how many there are.
        channels: `classes` for a probability of each, as soft-max of the logits gives it; 1 for that of
            all but the background.
        kind: empty (zeros, as before the first frame), slight or strong.
        rng: of all that is random.

    Returns:
        float32 `[channels, H, W]`, in 0–1.
    """
    if kind == "empty":
        return torch.zeros(channels, *target.shape)
    found = loosened(target, classes, LOOSENESS[kind], rng)
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
    rows, columns = _places(height, width, most, rng)
    labels = labels[torch.from_numpy(rows), torch.from_numpy(columns)]
    found = functional.one_hot(labels, classes).permute(2, 0, 1).float()
    blur, doubt = rng.random(2)
    sigma = float(blur) * most.blur * max(height, width)
    if sigma > 0.2:  # below, the next pixel has less than one in 10⁵
        side = 2 * math.ceil(2 * sigma) + 1
        found = transforms.gaussian_blur(found, [side, side], [sigma, sigma])
    return torch.lerp(found, torch.full_like(found, 1 / classes), float(doubt) * most.doubt)


def _places(
    height: int, width: int, most: Looseness, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return from which row and column each pixel comes, `[H, W]` each; outside, the border goes on."""
    angle, scale, right, down = rng.uniform(-1, 1, 4)
    angle, factor = math.radians(angle * most.rotation), math.exp(-scale * most.scale)
    pulls = rng.normal(0, 1, (SIDE * SIDE, 2)) * most.bend
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    bend = bending(height, width, pulls)
    x = x + (right * most.shift + bend[..., 0]) * width
    y = y + (down * most.shift + bend[..., 1]) * height
    cosine, sine = math.cos(angle) * factor, math.sin(angle) * factor
    columns = np.rint(cosine * x - sine * y + (width - 1) / 2)
    rows = np.rint(sine * x + cosine * y + (height - 1) / 2)
    return (
        rows.clip(0, height - 1).astype(np.int64),
        columns.clip(0, width - 1).astype(np.int64),
    )
