"""The data set of drawn shapes: a scene per image, and the target that its task wants."""

import math
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mobilekit.core.errors import DataError, suggestion
from mobilekit.core.seeding import child_seed
from mobilekit.data.shapes.outlines import CLASSES, Mask
from mobilekit.data.shapes.scene import Layout, lay_one, lay_several, paint
from mobilekit.data.task import BACKGROUND, Labelled, Sample, Split, Target, Task, check_request

SIZES = (16, 256)
"""Least and greatest side of an image, in pixels."""


def shapes(task: Task, split: Split, count: int, size: int = 32, seed: int = 0) -> Labelled:
    """Draw coloured shapes with textures; image `i` depends on the seed, task, split, size and `i` alone.

    Classification: one shape per image, equally many of each class in every ten images. Segmentation and
    detection: one to four, which may overlap; masks and boxes are of the visible parts, exact to the pixel.
    A detection has both: beside `boxes` and `labels` a mask per box, `masks` uint8 `[n, size, size]`, 0 or 1.

    Args:
        task: what the targets are.
        split: train and test never share an image.
        count: images, at least 1; they are drawn when asked for.
        size: side of an image in pixels, 16–256.
        seed: of all that is random.

    Raises:
        DataError: an unknown task or split, a count below 1, or a size out of range.
    """
    if task not in get_args(Task):
        raise DataError(
            f"shapes: the task is one of {', '.join(get_args(Task))}, not {task!r}"
            f"{suggestion(str(task), get_args(Task))}"
        )
    check_request("shapes", split, count)
    if not SIZES[0] <= size <= SIZES[1]:
        raise DataError(f"shapes: size must be {SIZES[0]} to {SIZES[1]} pixels, not {size}")
    drawn = _Shapes(task, child_seed(seed, "shapes", task, split), count, size)
    classes = (BACKGROUND, *CLASSES) if task == "segmentation" else CLASSES
    provenance = f"shapes {size} × {size}, drawn here (seed {seed}, {count:,} {split})"
    return Labelled(task, classes, drawn, provenance)


class _Shapes(Dataset[Sample]):
    """Scenes, drawn when asked for."""

    def __init__(self, task: Task, key: int, count: int, size: int) -> None:
        self._task = task
        self._key = key
        self._size = size
        self._first = _kinds(key, count)

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, index: int) -> Sample:
        rng, layout = self._laid(index)
        image = torch.from_numpy(paint(rng, layout, self._size))
        return image.float().div_(255), self._target(layout)

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the class numbers in the target; nothing is painted."""
        if self._task == "classification":
            return frozenset({int(self._first[index])})
        _, layout = self._laid(index)
        labels = {figure.kind + 1 for figure in layout.figures}
        if self._task == "segmentation" and (layout.shown < 0).any():
            labels.add(0)
        return frozenset(labels)

    def _laid(self, index: int) -> tuple[np.random.Generator, Layout]:
        """Return the layout of an image, and the generator to paint it with.

        Raises:
            IndexError: there is no such image.
        """
        kind = int(self._first[index])
        rng = np.random.default_rng([self._key, index % len(self)])
        lay = lay_one if self._task == "classification" else lay_several
        return rng, lay(rng, kind, self._size)

    def _target(self, layout: Layout) -> Target:
        kinds = np.array([figure.kind for figure in layout.figures])
        if self._task == "classification":
            return torch.tensor(kinds[0])
        if self._task == "segmentation":
            return torch.from_numpy(np.append(kinds + 1, 0)[layout.shown])
        masks = _masks(layout)
        return {
            "boxes": _boxes(masks),
            "labels": torch.from_numpy(kinds + 1),
            "masks": torch.from_numpy(masks.astype(np.uint8)),
        }


def _kinds(key: int, count: int) -> npt.NDArray[np.int64]:
    """Return a shuffled row of the classes for as many images, again and again, cut to `[count]`."""
    rows = [
        np.random.default_rng([key, row, 1]).permutation(len(CLASSES))
        for row in range(math.ceil(count / len(CLASSES)))
    ]
    return np.concatenate(rows)[:count].astype(np.int64)


def _masks(layout: Layout) -> Mask:
    """Return which pixels show each figure, `[n, size, size]`."""
    found: Mask = layout.shown == np.arange(len(layout.figures))[:, None, None]
    return found


def _boxes(masks: Mask) -> Tensor:
    """Return the edges of what each mask `[n, size, size]` holds: left, top, right, bottom, `[n, 4]`."""
    found = []
    for shown in masks:
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        found.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return torch.tensor(np.array(found), dtype=torch.float32)
