"""Images of faces with a class per pixel, in files: checked when opened, cut out when asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset

from mobilekit.core.errors import DataError
from mobilekit.data.face_labels import FACE_LABELS
from mobilekit.data.formats.face_crops import Box, Mask, around, margin_of
from mobilekit.data.formats.faults import weigh
from mobilekit.data.formats.pictures import as_tensor, read
from mobilekit.data.formats.sides import EXCHANGED, are_the_images
from mobilekit.data.task import Labelled, Sample, Split

_LOOKED_AT = 25
"""Masks that tell which side is left."""


class FaceFile(Protocol):
    """An image, and the files that say what is where in it."""

    @property
    def image(self) -> Path:
        """The photograph."""

    def fault(self) -> str | None:
        """Return the image's name and what is wrong with it or its annotation; None when sound."""

    def mask(self) -> Mask:
        """Return the classes of `FACE_LABELS`, uint8 `[H, W]`, the sides as they are in the files.

        Raises:
            ValueError: what is wrong with the annotation.
        """

    def box(self, mask: Mask) -> Box:
        """Return the box of the face, in pixels of the mask.

        Raises:
            ValueError: there is none.
        """


F = TypeVar("F", bound=FaceFile)


class FaceImages(Dataset[Sample], Generic[F]):
    """Faces cut out of their images, with a class per pixel."""

    def __init__(
        self, files: Sequence[F], margins: Sequence[float], size: int, *, exchanged: bool
    ) -> None:
        """Hold the names of the files.

        Args:
            files: sound ones.
            margins: of each, as a share of the longer side of its box.
            size: of both sides, pixels.
            exchanged: left in the files is left in the image, not the person's.
        """
        self._files = files
        self._margins = margins
        self._size = size
        self._exchanged = exchanged

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        file = self._files[index]
        with _named(file):
            mask = file.mask()
            square = around(file.box(mask), self._margins[index])
        # The mask is that of the pixels as stored, whatever the EXIF orientation says.
        least = int(np.ceil(self._size * min(mask.shape) / square.side))
        image = read(file.image, upright=False, least=least)
        cut = square.scaled(image.width / mask.shape[1]).image(image, self._size)
        labels = square.mask(mask, self._size)
        if self._exchanged:
            labels = EXCHANGED[labels]
        return as_tensor(cut), torch.from_numpy(labels.astype(np.int64))


def labelled_faces(
    where: str, files: Sequence[F], split: Split, size: int, seed: int = 0
) -> Labelled:
    """Check the files, and return those that are sound.

    Args:
        where: the data set, for messages and the provenance.
        files: of the split.
        split: train or test, which says how large margins are.
        size: of both sides, pixels, at least 1.
        seed: of the margins.

    Raises:
        DataError: too many are broken, none is left, or left and right are on no side.
    """
    if size < 1:
        raise DataError(f"{where}: size must be at least 1 pixel, not {size}")
    if not files:
        raise DataError(f"{where}: holds no image")
    faults = [file.fault() for file in files]
    remark = weigh(where, [text for text in faults if text is not None], len(files))
    sound = [file for file, text in zip(files, faults, strict=True) if text is None]
    step = -(-len(sound) // _LOOKED_AT)
    exchanged = are_the_images(where, map(_mask, sound[::step]))
    margins = [margin_of(split, seed, file.image.name) for file in sound]
    images = FaceImages(sound, margins, size, exchanged=exchanged)
    sides = ", left and right exchanged: in the files they are the image's" if exchanged else ""
    provenance = f"{where}: {len(sound):,} faces{remark}{sides}"
    return Labelled("segmentation", FACE_LABELS, images, provenance)


def _mask(file: FaceFile) -> Mask:
    with _named(file):
        return file.mask()


@contextmanager
def _named(file: FaceFile) -> Iterator[None]:
    """Say of which image a `ValueError` in the block speaks.

    Raises:
        DataError: for the `ValueError`.
    """
    try:
        yield
    except ValueError as problem:
        raise DataError(f"{file.image}: {problem}; get it again, or remove it") from problem
