"""Which figures a task is judged by."""

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from mobilekit.core.errors import DataError
from mobilekit.data.task import Labelled


@dataclass(frozen=True)
class Scored:
    """Figures of all images together, each 0–1 but `loss`; those of a class that never occurs are absent."""

    figures: dict[str, float]
    per_class: dict[str, dict[str, float]] = field(default_factory=dict)
    """Class → figure → value."""


class Scorer(Protocol):
    """Sees the answers to images, batch by batch."""

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Take the logits of a batch, and the right answers."""

    def scored(self) -> Scored:
        """Return what all that was seen is worth."""


def scorer(data: Labelled) -> Scorer:
    """Return what judges a classification or a segmentation.

    Raises:
        DataError: a detection; its metric is torchmetrics' average precision alone.
    """
    from mobilekit.data.scores.classification import ClassScores
    from mobilekit.data.scores.segmentation import PixelScores

    if data.task == "classification":
        return ClassScores(data.classes)
    if data.task == "segmentation":
        return PixelScores(data.classes)
    raise DataError(f"{data.provenance}: detection has no scores per image")
