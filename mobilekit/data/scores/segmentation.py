"""F1 per class, their mean, Helen's overall F1, intersection over union, boundaries."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mobilekit.data.scores.boundaries import boundary_f
from mobilekit.data.scores.scoring import Scored
from mobilekit.data.task import BACKGROUND, IGNORED

INNER = (
    ("left brow", "right brow"),
    ("left eye", "right eye"),
    ("nose",),
    ("upper lip", "inner mouth", "lower lip"),
)
"""Components of Helen's overall F1: left and right are one, and so are the parts of the mouth."""


class PixelScores:
    """Sees logits and class maps.

    Args:
        classes: their names, the background first.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._counts = torch.zeros(len(classes), len(classes), dtype=torch.int64)
        self._boundaries: dict[int, list[float]] = defaultdict(list)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Take logits `[N, C, H, W]` (of any size; they are scaled to the target's) and classes `[N, H, W]`."""
        if logits.shape[2:] != target.shape[1:]:
            logits = functional.interpolate(
                logits.float(), target.shape[1:], mode="bilinear", align_corners=False
            )
        self.see(logits.argmax(1), target)

    def see(self, found: Tensor, target: Tensor) -> None:
        """Take the class of each pixel, as found and as it is, both int64 `[N, H, W]`."""
        found, target = found.cpu(), target.cpu()
        many = len(self._classes)
        judged = target != IGNORED
        pairs = target[judged] * many + found[judged]
        self._counts += torch.bincount(pairs, minlength=many * many).reshape(many, many)
        for one, right in zip(found.numpy(), target.numpy(), strict=True):
            for number in range(1, many):
                value = boundary_f(one == number, right == number)
                if value is not None:
                    self._boundaries[number].append(value)

    def scored(self) -> Scored:
        """Return figures of all classes but the background, and of each class.

        `mean_f1` and `boundary_f`: means over the classes that occur; `mean_iou`: with the background, as
        torchmetrics counts it; `pixel_accuracy`; `overall_f1`: of faces, the inner components' pixels
        pooled (Smith et al. 2013).
        """
        per_class = {name: self._of_class(number) for number, name in enumerate(self._classes)}
        per_class = {name: found for name, found in per_class.items() if found}
        faces = {name: found for name, found in per_class.items() if name != BACKGROUND}
        figures = {
            "mean_iou": _mean(found["iou"] for found in per_class.values()),
            "mean_f1": _mean(found["f1"] for found in faces.values()),
            "boundary_f": _mean(
                found["boundary_f"] for found in faces.values() if "boundary_f" in found
            ),
            "pixel_accuracy": float(self._counts.trace() / self._counts.sum().clamp(min=1)),
        }
        if all(name in self._classes for group in INNER for name in group):
            figures["overall_f1"] = self._overall()
        return Scored(figures, per_class)

    def _of_class(self, number: int) -> dict[str, float]:
        right = int(self._counts[number, number])
        either = int(self._counts[number].sum() + self._counts[:, number].sum())
        if not either:
            return {}
        found = {"f1": 2 * right / either, "iou": right / (either - right)}
        if self._boundaries[number]:
            found["boundary_f"] = _mean(self._boundaries[number])
        return found

    def _overall(self) -> float:
        """Return F1 of the inner components, pixels pooled; a left brow found right is a brow all the same."""
        right = either = 0
        for group in INNER:
            rows = torch.tensor([self._classes.index(name) for name in group])
            right += int(self._counts[rows][:, rows].sum())
            either += int(self._counts[rows].sum() + self._counts[:, rows].sum())
        return 2 * right / max(either, 1)


def _mean(values: object) -> float:
    found = list(values)  # type: ignore[call-overload]
    return sum(found) / len(found) if found else 0.0
