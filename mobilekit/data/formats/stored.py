"""Small images of one size that are held in memory, each of one class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from mobilekit.data.formats.faults import weigh
from mobilekit.data.task import Labelled, Sample

Pixels = npt.NDArray[np.uint8]


class Stored(Dataset[Sample]):
    """Images with one class each."""

    def __init__(self, pixels: Pixels, labels: Pixels) -> None:
        """Hold the images.

        Args:
            pixels: uint8 `[N, C, H, W]`.
            labels: the class of each, uint8 `[N]`.
        """
        self._pixels = pixels
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Sample:
        image = torch.from_numpy(self._pixels[index].astype(np.float32) / np.float32(255))
        return image, torch.tensor(int(self._labels[index]))

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the class of an image."""
        return frozenset({int(self._labels[index])})


def labelled(
    where: str, pixels: Pixels, labels: Pixels, classes: Sequence[str], wrong: npt.NDArray[np.bool_]
) -> Labelled:
    """Return the images whose label is that of a class.

    Args:
        where: the data set, for messages and the provenance.
        pixels: uint8 `[N, C, H, W]`.
        labels: uint8 `[N]`.
        classes: their names.
        wrong: which labels are out of range, `[N]`.

    Raises:
        DataError: too many labels are wrong.
    """
    broken = [f"number {i} (label {labels[i]})" for i in np.flatnonzero(wrong)]
    remark = weigh(where, broken, len(labels))
    if broken:
        pixels, labels = pixels[~wrong], labels[~wrong]
    provenance = f"{where}: {len(labels):,} images{remark}"
    return Labelled("classification", tuple(classes), Stored(pixels, labels), provenance)
