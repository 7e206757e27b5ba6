"""Data sets of drawn faces: a person per image, taken by a camera, with the class of each pixel."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mobilekit.core.errors import DataError
from mobilekit.core.seeding import child_seed
from mobilekit.data.camera import EVERYDAY as EVERYDAY_CAMERA
from mobilekit.data.camera import HARD as HARD_CAMERA
from mobilekit.data.camera import CameraRanges, shoot
from mobilekit.data.face_labels import FACE_LABELS, HELEN_LABELS
from mobilekit.data.faces.face import draw_face
from mobilekit.data.faces.ranges import Style, ranges_of
from mobilekit.data.faces.render import Portrait, render
from mobilekit.data.task import Labelled, Sample, Split, check_request

SIZES = (16, 512)
"""Least and greatest side of an image, in pixels."""
_TO_TASK = np.array([number % len(FACE_LABELS) for number in range(len(HELEN_LABELS))])
"""Helen's 11 numbers to the 10 that are learned: hair, the last, is background."""


class Portraits:
    """Faces before any camera, each depending on the seed, the split, the style and its number alone.

    Args:
        split: train and test share no person.
        count: how many, at least 1; they are drawn when asked for.
        size: side of an image in pixels, 16–512.
        seed: of all that is random.
        style: "faces", or "faces-hard", which is never trained on.

    Raises:
        DataError: an unknown split or style, a count below 1, or a size out of range.
    """

    def __init__(
        self, split: Split, count: int, size: int, seed: int = 0, style: Style = "faces"
    ) -> None:
        check_request("faces", split, count)
        ranges = ranges_of(style)
        if not SIZES[0] <= size <= SIZES[1]:
            raise DataError(f"faces: size must be {SIZES[0]} to {SIZES[1]} pixels, not {size}")
        self.size, self.ranges = size, ranges
        self._count, self._key = count, child_seed(seed, "faces", style, split)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Portrait:
        return self.drawn(index)[0]

    def drawn(self, index: int) -> tuple[Portrait, np.random.Generator]:
        """Return a portrait, and the generator to go on with.

        Raises:
            IndexError: there is no such one.
        """
        if not -self._count <= index < self._count:
            raise IndexError(index)
        rng = np.random.default_rng([self._key, index % self._count])
        return render(draw_face(rng, self.ranges), self.size), rng


class _Faces(Dataset[Sample]):
    """Portraits that a camera has taken, with the classes that are learned."""

    def __init__(self, portraits: Portraits, camera: CameraRanges) -> None:
        self._portraits, self._camera = portraits, camera

    def __len__(self) -> int:
        return len(self._portraits)

    def __getitem__(self, index: int) -> Sample:
        portrait, rng = self._portraits.drawn(index)
        taken = shoot(portrait.image.astype(np.float32) / np.float32(255), rng, self._camera)
        image = torch.from_numpy(np.ascontiguousarray(taken.transpose(2, 0, 1)))
        return image, task_classes(portrait.labels)


def faces(
    split: Split, count: int, size: int = 96, seed: int = 0, style: Style = "faces"
) -> Labelled:
    """Draw faces with the class of each pixel; image `i` is the same on every machine.

    Images are float32 `[3, size, size]` in 0–1, targets int64 `[size, size]`: the 10 classes of
    `FACE_LABELS`, hair being background.

    Args:
        split: train and test share no person.
        count: images, at least 1; they are drawn when asked for.
        size: side of an image in pixels, 16–512.
        seed: of all that is random.
        style: "faces", or "faces-hard": other poses, hair, backgrounds and cameras, never to train on.

    Raises:
        DataError: an unknown split or style, a count below 1, or a size out of range.
    """
    portraits = Portraits(split, count, size, seed, style)
    provenance = f"{style} {size} × {size}, drawn here (seed {seed}, {count:,} {split})"
    images = _Faces(portraits, camera_of(style))
    return Labelled("segmentation", FACE_LABELS, images, provenance)


def task_classes(labels: npt.NDArray[np.uint8]) -> Tensor:
    """Return the classes that are learned, int64, of Helen's labels `[H, W]`."""
    return torch.from_numpy(_TO_TASK[labels])


def camera_of(style: Style) -> CameraRanges:
    """Return the cameras that take faces of a style."""
    return HARD_CAMERA if style == "faces-hard" else EVERYDAY_CAMERA
