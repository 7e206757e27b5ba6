"""Accuracy, loss, and the area under the ROC curve of two classes."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import binary_auroc

from mobilekit.data.scores.scoring import Scored


class ClassScores:
    """Sees logits and classes.

    Args:
        classes: their names; of two, the second is the positive one.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._logits: list[Tensor] = []
        self._targets: list[Tensor] = []

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Take logits `[N, C]` and classes int64 `[N]`."""
        self._logits.append(logits.detach().float().cpu())
        self._targets.append(target.cpu())

    def scored(self) -> Scored:
        """Return `accuracy`, `loss` (cross-entropy, nats), `roc_auc` of two classes; recall per class."""
        logits, target = torch.cat(self._logits), torch.cat(self._targets)
        right = logits.argmax(1) == target
        figures = {
            "accuracy": float(right.float().mean()),
            "loss": float(functional.cross_entropy(logits, target)),
        }
        if len(self._classes) == 2 and 0 < int(target.sum()) < len(target):
            # Probabilities would round scores far from 1/2 to ties.
            figures["roc_auc"] = float(binary_auroc(_ranks(logits[:, 1] - logits[:, 0]), target))
        per_class = {
            name: {"recall": float(right[target == number].float().mean())}
            for number, name in enumerate(self._classes)
            if (target == number).any()
        }
        return Scored(figures, per_class)


def _ranks(scores: Tensor) -> Tensor:
    """Return the place of each score among the different ones, 0–1: torchmetrics takes these for scores."""
    values, places = np.unique(scores.double().numpy(), return_inverse=True)
    return torch.from_numpy(places / max(len(values) - 1, 1))
