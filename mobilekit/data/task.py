"""What a labelled data set is: its task, its classes, its images with their targets."""

from collections.abc import Sized
from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import Dataset

from mobilekit.core.errors import DataError, suggestion

Task = Literal["classification", "segmentation", "detection"]
Split = Literal["train", "test"]

Target = Tensor | dict[str, Tensor]
"""One class, int64 `[]`; or a class per pixel, int64 `[H, W]`; or boxes with their classes.

Boxes: `boxes` float32 `[n, 4]`, the edges left, top, right, bottom in pixels; `labels` int64 `[n]`; where
the data have them, `masks` uint8 `[n, H, W]`.
"""
Sample = tuple[Tensor, Target]
"""An image, float32 `[C, H, W]` in 0–1, and its target."""

BACKGROUND = "background"
IGNORED = 255
"""Class number of a pixel that is not judged."""


def spread(most: int, total: int) -> list[int]:
    """Return the numbers of some images, evenly spaced: data sets may be in the order of their classes.

    Args:
        most: how many, at most.
        total: images there are.

    >>> spread(3, 10), spread(5, 2)
    ([0, 3, 6], [0, 1])
    """
    many = min(most, total)
    return [place * total // many for place in range(many)]


@runtime_checkable
class KnowsLabels(Protocol):
    """A data set that can name the class numbers of an image without drawing or reading it."""

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the class numbers that occur in the target of an image."""


@dataclass(frozen=True, eq=False)
class Labelled(Dataset[Sample]):
    """Images with their targets, and what the numbers in the targets mean.

    Segmentation: class 0 is the background. Detection: the background is no class, and the labels of the
    boxes count from 1 to the number of classes, as torchvision's detectors want it.
    """

    task: Task
    classes: tuple[str, ...]
    images: Dataset[Sample]
    """Map style: `[index]` gives an image and its target."""
    provenance: str
    """One line: which data it is."""

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise DataError(
                f"data set: the task is one of {', '.join(get_args(Task))}, not {self.task!r}"
                f"{suggestion(str(self.task), get_args(Task))}"
            )
        if not isinstance(self.images, Sized):
            raise DataError(
                f"{self.provenance}: the images need a length; a stream cannot be labelled data"
            )
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise DataError(f"{self.provenance}: each class needs a name of its own")
        if self.task == "segmentation" and self.classes[0] != BACKGROUND:
            raise DataError(
                f"{self.provenance}: class 0 of a segmentation is {BACKGROUND!r}, "
                f"not {self.classes[0]!r}"
            )
        if self.task == "detection" and BACKGROUND in self.classes:
            raise DataError(f"{self.provenance}: the background is no class of a detection")

    def __len__(self) -> int:
        return len(cast("Sized", self.images))

    def __getitem__(self, index: int) -> Sample:
        return self.images[index]

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the class numbers that occur in the target of an image, without it where possible."""
        if isinstance(self.images, KnowsLabels):
            return self.images.labels_of(index)
        target = self.images[index][1]
        numbers = target["labels"] if isinstance(target, dict) else target
        return frozenset(torch.unique(numbers).tolist())

    def restricted(self, keep: tuple[str, ...]) -> "Labelled":
        """Return the part that shows the classes to keep, renumbered in the order of `keep`.

        Images without a kept class are left out. In a segmentation other classes become background,
        which stays class 0; in a detection their boxes go.

        Args:
            keep: names of classes; the background of a segmentation need not be named.

        Raises:
            DataError: unknown or repeated names, no name, or no image with a kept class.
        """
        named = tuple(name for name in keep if self.task != "segmentation" or name != BACKGROUND)
        self._check_names(named)
        first = 0 if self.task == "classification" else 1
        shift = 1 if self.task == "detection" else 0
        numbers = {
            self.classes.index(name) + shift: new for new, name in enumerate(named, start=first)
        }
        wanted = frozenset(numbers)
        indices = [i for i in range(len(self)) if wanted & self.labels_of(i)]
        if not indices:
            raise DataError(
                f"{self.provenance}: none of the {len(self)} images shows {' or '.join(named)}"
            )
        classes = (BACKGROUND, *named) if self.task == "segmentation" else named
        provenance = f"{self.provenance}; {', '.join(named)} only ({len(indices):,} images)"
        return Labelled(self.task, classes, _Kept(self, indices, numbers), provenance)

    def _check_names(self, named: tuple[str, ...]) -> None:
        known = [name for name in self.classes if name != BACKGROUND]
        unknown = [name for name in named if name not in known]
        if unknown:
            near = "".join(suggestion(name, known) for name in unknown)
            raise DataError(
                f"{self.provenance}: has no class {', '.join(unknown)}.{near} "
                f"It has {', '.join(known[:20])}{', …' if len(known) > 20 else ''}"
            )
        if not named or len(set(named)) < len(named):
            raise DataError(
                f"{self.provenance}: name at least one class to keep, each once; "
                f"found {', '.join(named) or 'none'}"
            )


def check_request(where: str, split: str, count: int) -> None:
    """Refuse a split or a number of images that a drawn data set cannot have.

    Raises:
        DataError: another split than train and test, or less than one image.
    """
    if split not in get_args(Split):
        raise DataError(
            f"{where}: the split is train or test, not {split!r}{suggestion(split, get_args(Split))}"
        )
    if count < 1:
        raise DataError(f"{where}: count must be at least 1, not {count}")


class _Kept(Dataset[Sample]):
    """Chosen images of a data set, their classes renumbered."""

    def __init__(self, whole: Labelled, indices: list[int], numbers: dict[int, int]) -> None:
        self._whole = whole
        self._indices = indices
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        image, target = self._whole[self._indices[index]]
        if isinstance(target, dict):
            return image, self._boxes(target)
        return image, self._renumbered(target)

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the new numbers of the kept classes that occur."""
        found = self._whole.labels_of(self._indices[index])
        return frozenset(new for old, new in self._numbers.items() if old in found)

    def _boxes(self, target: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what belongs to kept classes: boxes, and masks or whatever there is of each box."""
        labels = self._renumbered(target["labels"])
        kept = labels > 0
        found = {name: value[kept] for name, value in target.items() if len(value) == len(labels)}
        return {**found, "labels": labels[kept]}

    def _renumbered(self, labels: Tensor) -> Tensor:
        """Give kept classes their new numbers; others become 0, pixels that are not judged stay so."""
        new = torch.zeros_like(labels)
        for old, number in self._numbers.items():
            new[labels == old] = number
        if self._whole.task == "segmentation":
            new[labels == IGNORED] = IGNORED
        return new
