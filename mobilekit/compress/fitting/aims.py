"""What is asked for beside the right class: smooth labels, classes that weigh alike, answers that stay."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilekit.core.errors import RecipeError
from mobilekit.data.task import IGNORED, Labelled, spread

MEASURED = 512
"""Samples at most on which classes are counted."""


@dataclass(frozen=True, eq=False)
class Aim:
    """How cross-entropy is taken, and what is added to it; by default as it is, and nothing."""

    label_smoothing: float = 0.0
    """Share of each label that is spread evenly over all classes (Szegedy et al. 2016)."""
    weights: Tensor | None = None
    """Of the classes, `[classes]`."""
    steady: float = 0.0
    """Weight of how far an answer is from the network's own to the frame before."""

    def told(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Say what classes weigh, where they do not all weigh alike.

        >>> Aim(weights=torch.tensor([0.5, 1.5])).told(("background", "face"))
        ('classes weigh: background 0.5, face 1.5',)
        """
        if self.weights is None:
            return ()
        weights = zip(classes, self.weights.tolist(), strict=True)
        return ("classes weigh: " + ", ".join(f"{name} {weight:.2g}" for name, weight in weights),)


def class_counts(data: Labelled, most: int = MEASURED) -> Tensor:
    """Count the labels of a data set, or its labelled pixels, int64 `[classes]`.

    Args:
        data: no detection.
        most: samples that are looked at, evenly spaced over the data set.
    """
    counts = torch.zeros(len(data.classes), dtype=torch.int64)
    for index in spread(most, len(data)):
        target = data[index][1]
        assert isinstance(target, Tensor)  # noqa: S101  asked by the caller
        judged = target[target != IGNORED] if data.task == "segmentation" else target
        counts += torch.bincount(judged.flatten(), minlength=len(counts))
    return counts


def class_weights(counts: Tensor, exponent: float) -> Tensor:
    """Return weights frequency⁻ᵉ with a mean of 1, float32 `[classes]`.

    Args:
        counts: of labels, `[classes]`; a class that was not seen counts as seen once.
        exponent: 1: all classes weigh alike in the sum; 0.5: less far; 0: none is weighed.

    >>> class_weights(torch.tensor([8, 4, 0]), 1.0)
    tensor([0.2727, 0.5455, 2.1818])
    """
    raw = counts.clamp(min=1).double().pow(-exponent)
    return (raw / raw.mean()).float()


def aim_of(data: Labelled, label_smoothing: float, exponent: float, steady: float = 0.0) -> Aim:
    """Return how cross-entropy is taken on a data set.

    Raises:
        RecipeError: a detection, whose losses are its network's own.
    """
    if data.task == "detection" and (label_smoothing or exponent):
        name = "label_smoothing" if label_smoothing else "class_weights"
        raise RecipeError(
            f"train: {name} is for cross-entropy, and a detector has losses of its own; leave it out"
        )
    if not exponent:
        return Aim(label_smoothing, steady=steady)
    return Aim(label_smoothing, class_weights(class_counts(data), exponent), steady)
