"""Folders of images, such as Caltech-101 and Dogs-vs-Cats.

Where the data set does not come divided, the split of an image follows from the seed and its name below
the folder alone: images that come later do not move those that are there, and another machine with
the same files makes the same split.
"""

import logging
import unicodedata
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset

from mobilekit.core.errors import DataError
from mobilekit.core.seeding import child_seed
from mobilekit.data.formats.faults import check_classes, check_place, weigh
from mobilekit.data.formats.layouts import EXPECTED, Census, census, divided
from mobilekit.data.formats.pictures import as_tensor, fault, read
from mobilekit.data.task import Labelled, Sample, Split

_SEED_RANGE = 1 << 63
_log = logging.getLogger(__name__)


def image_folder(
    path: Path,
    split: Split,
    size: int,
    classes: tuple[str, ...] | None = None,
    share: float = 0.8,
    seed: int = 0,
) -> Labelled:
    """Read a folder of images, one class each: colour images, float32 `[3, size, size]`.

    Each is turned upright, resized so that its short side has `size` pixels, and cut in the centre.

    Args:
        path: folder with a folder per class (`BACKGROUND_Google` is none), with images called
            `cat.123.jpg`, or with `train` and `test` (or `val`) of these.
        split: train or test.
        size: of both sides, pixels, at least 1.
        classes: to read, numbered in this order; all, in the order of their names, when None.
        share: of the images that goes to train where the data set does not come divided, above 0 and
            below 1.
        seed: of that division.

    Raises:
        DataError: no such folder, class or image, or too many images are broken.
    """
    check_place(path, split, EXPECTED)
    _check_options(path, size, share)
    parts = divided(path)
    if parts is None:
        whole = census(path)
        known = tuple(whole.files)
        chosen = _divide(whole, split == "train", share, seed)
        rule = f", {split} by share {share} and seed {seed}"
    else:
        chosen = census(parts[split])
        known = tuple(chosen.files if split == "train" else census(parts["train"]).files)
        rule = f", {parts[split].name}"
        _check_same(path, chosen, known)
    if classes is not None:
        check_classes(path, classes, known)
    return _labelled(f"images of {path.name}{rule}", chosen, classes or known, size)


class ImageFiles(Dataset[Sample]):
    """Image files with one class each, read when asked for."""

    def __init__(self, files: list[tuple[Path, int]], size: int) -> None:
        """Hold the names of the files.

        Args:
            files: each with its class.
            size: of both sides, pixels.
        """
        self._files = files
        self._size = size

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        path, label = self._files[index]
        image = read(path, upright=True, least=self._size)
        square = (self._size, self._size)
        return as_tensor(ImageOps.fit(image, square, Image.Resampling.BILINEAR)), torch.tensor(
            label
        )

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the class of an image."""
        return frozenset({self._files[index][1]})


def _labelled(where: str, chosen: Census, classes: tuple[str, ...], size: int) -> Labelled:
    """Check the files of the classes, and leave out those that are broken."""
    named = [
        (place, number)
        for number, name in enumerate(classes)
        for place in chosen.files.get(name, [])
    ]
    faults = [fault(place) for place, _ in named]
    remark = weigh(where, [text for text in faults if text is not None], len(named))
    files = [pair for pair, text in zip(named, faults, strict=True) if text is None]
    if not files:
        raise DataError(f"{where}: no image of {', '.join(classes[:5])} falls into this split")
    missing = sorted(set(range(len(classes))) - {number for _, number in files})
    if missing:
        _log.warning("%s: no image of %s", where, ", ".join(classes[i] for i in missing))
    provenance = f"{where}: {len(files):,} images{remark}{chosen.remark}"
    return Labelled("classification", classes, ImageFiles(files, size), provenance)


def _divide(whole: Census, train: bool, share: float, seed: int) -> Census:
    """Return the part of the images that a split has."""

    def belongs(place: Path) -> bool:
        # Some file systems take accents apart; the same name must give the same split on each.
        name = unicodedata.normalize("NFC", place.relative_to(whole.root).as_posix())
        return (child_seed(seed, "split", name) < share * _SEED_RANGE) == train

    files = {name: [p for p in places if belongs(p)] for name, places in whole.files.items()}
    return Census(whole.root, files, whole.remark)


def _check_options(path: Path, size: int, share: float) -> None:
    if size < 1:
        raise DataError(f"{path}: size must be at least 1 pixel, not {size}")
    if not 0 < share < 1:
        raise DataError(f"{path}: share must lie between 0 and 1, not {share}")


def _check_same(path: Path, chosen: Census, known: tuple[str, ...]) -> None:
    unknown = [name for name in chosen.files if name not in known]
    if unknown:
        raise DataError(
            f"{path}: {chosen.root.name} has {', '.join(unknown[:5])}, which train has not"
        )
