"""The data set of forgeries: half of the images are real, half spliced, all taken by a camera."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mobilekit.data.camera import CameraRanges, shoot
from mobilekit.data.forgeries.splices import Face, Outcome, Splice, forged, untouched
from mobilekit.data.task import Sample

Sitting = Callable[[np.random.Generator, int], list[Face]]
"""Draws a number of people in one pose, expression and light."""


class Forgeries(Dataset[Sample]):
    """Images, float32 `[3, H, W]` in 0–1, with 0 for real and 1 for fake.

    Of the images 2k and 2k + 1 one is fake. Each image has people of its own.
    """

    def __init__(
        self,
        key: int,
        count: int,
        splices: tuple[Splice, ...],
        sitting: Sitting,
        camera: CameraRanges,
    ) -> None:
        self._key, self._count, self._splices = key, count, splices
        self._sitting, self._camera = sitting, camera

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        rng = self._rng(index)
        photograph = shoot(self._outcome(index, rng).image, rng, self._camera)
        planes = np.ascontiguousarray(photograph.transpose(2, 0, 1))
        return torch.from_numpy(planes), torch.tensor(int(self._is_fake(index)))

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the class of an image, undrawn."""
        return frozenset({int(self._is_fake(index))})

    def splice_of(self, index: int) -> Splice | None:
        """Return the kind of an image's splice, undrawn; None where it is real."""
        return self._kind(self._rng(index)) if self._is_fake(index) else None

    def mask(self, index: int) -> Tensor:
        """Return how much of each pixel is foreign, float32 `[H, W]` in 0–1; 0 where it is real."""
        return torch.from_numpy(self._outcome(index, self._rng(index)).weights)

    def _outcome(self, index: int, rng: np.random.Generator) -> Outcome:
        """Make what stands before the camera."""
        kind = self._kind(rng)
        if not self._is_fake(index):
            return untouched(self._sitting(rng, 1)[0], rng)
        people = self._sitting(rng, 1 if kind == "self" else 2)
        return forged(kind, people[0], people[-1], rng)

    def _rng(self, index: int) -> np.random.Generator:
        if not 0 <= index < self._count:
            raise IndexError(f"forgeries: image {index} of {self._count}")
        return np.random.default_rng([self._key, index])

    def _kind(self, rng: np.random.Generator) -> Splice:
        """Draw the kind of splice; the first that is drawn for an image."""
        return self._splices[int(rng.integers(len(self._splices)))]

    def _is_fake(self, index: int) -> bool:
        first = np.random.default_rng([self._key, index // 2, 1]).random() < 0.5
        return bool(first) == (index % 2 == 0)
