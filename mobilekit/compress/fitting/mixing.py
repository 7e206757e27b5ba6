"""Pairs of images mixed to one, and both their classes (mixup: Zhang et al. 2018)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mobilekit.data.task import Sample


class Mixed(NamedTuple):
    """Two targets of one image."""

    first: Tensor
    second: Tensor
    share: Tensor
    """Of the first, 0–1; in a batch `[N]`, all equal."""


def mixed(samples: Sequence[Sample], alpha: float, rng: np.random.Generator) -> list[Any]:
    """Mix each image of a batch with another one of it, by one share drawn from Beta(α, α).

    Args:
        samples: images of one size with their classes.
        alpha: above 0; small: mostly one of the two.
        rng: of the share, then of the order of the others.

    Returns:
        Images λ · x + (1 − λ) · x', each with both targets and λ, as equations 1 and 2 of Zhang et al. 2018.
    """
    share = float(rng.beta(alpha, alpha))
    others = [samples[place] for place in rng.permutation(len(samples))]
    return [
        (torch.lerp(other[0], one[0], share), Mixed(one[1], other[1], torch.tensor(share)))  # type: ignore[arg-type]
        for one, other in zip(samples, others, strict=True)
    ]
