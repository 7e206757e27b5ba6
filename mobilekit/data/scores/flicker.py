"""How much masks of a clip change where nothing moves."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mobilekit.data.scores.scoring import Scored


class Flicker:
    """Counts pixels that change their class from one frame to the next though the truth does not.

    Args:
        classes: their names.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._still = torch.zeros(len(classes), dtype=torch.int64)
        self._changed = torch.zeros(len(classes), dtype=torch.int64)

    def see(self, found: Tensor, right: Tensor) -> None:
        """Take the class of each pixel of a clip, as found and as it is, both int64 `[T, H, W]`, T ≥ 2."""
        still = right[1:] == right[:-1]
        changed = still & (found[1:] != found[:-1])
        many = len(self._classes)
        self._still += torch.bincount(right[1:][still], minlength=many)[:many]
        self._changed += torch.bincount(right[1:][changed], minlength=many)[:many]

    def scored(self) -> Scored:
        """Return `flicker`: the share of still pixels that changed, of all and of each class; less is better."""
        per_class = {
            name: {"flicker": int(self._changed[number]) / int(self._still[number])}
            for number, name in enumerate(self._classes)
            if self._still[number]
        }
        total = int(self._changed.sum()) / max(int(self._still.sum()), 1)
        faces = int(self._changed[1:].sum()) / max(int(self._still[1:].sum()), 1)
        return Scored({"flicker": total, "face_flicker": faces}, per_class)
