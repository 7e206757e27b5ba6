"""CIFAR-10 and CIFAR-100, in the binary version as published.

A record is the label (CIFAR-100: the coarse one, then the fine one) in one byte each, and 3 × 32 × 32
pixels in the order channel, row, column (Krizhevsky, "Learning multiple layers of features from tiny
images", 2009, and the page of the data sets). The python version is pickled, and files are never
unpickled: a pickle can run anything.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobilekit.core.errors import DataError
from mobilekit.data.formats.faults import check_place
from mobilekit.data.formats.stored import Pixels, labelled
from mobilekit.data.task import Labelled, Split

SHAPE = (3, 32, 32)


@dataclass(frozen=True)
class _Edition:
    """What one of the two is called, and made of."""

    title: str
    folder: str
    archive: str
    files: dict[str, tuple[str, ...]]
    names: str
    limits: tuple[int, ...]
    """Labels in each byte before the pixels; the last one counts."""
    pickled: tuple[str, ...]
    """Files of the python version."""

    @property
    def expected(self) -> str:
        first, *more = self.files["train"]
        last = f" … {more[-1]}" if more else ""
        return f"{first}{last}, {self.files['test'][0]} and {self.names}"


_TEN = _Edition(
    title="CIFAR-10",
    folder="cifar-10-batches-bin",
    archive="cifar-10-binary.tar.gz",
    files={
        "train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        "test": ("test_batch.bin",),
    },
    names="batches.meta.txt",
    limits=(10,),
    pickled=("data_batch_1", "cifar-10-batches-py/data_batch_1", "cifar-10-python.tar.gz"),
)
_HUNDRED = _Edition(
    title="CIFAR-100",
    folder="cifar-100-binary",
    archive="cifar-100-binary.tar.gz",
    files={"train": ("train.bin",), "test": ("test.bin",)},
    names="fine_label_names.txt",
    limits=(20, 100),
    pickled=("train", "cifar-100-python/train", "cifar-100-python.tar.gz"),
)


def cifar10(path: Path, split: Split) -> Labelled:
    """Read CIFAR-10: colour images, float32 `[3, 32, 32]`, of 10 classes.

    Args:
        path: folder with the files, or the one that holds `cifar-10-batches-bin`.
        split: train (50,000 images as published) or test (10,000).

    Raises:
        DataError: a file is missing or damaged, or the folder has the python version.
    """
    return _read(path, split, _TEN)


def cifar100(path: Path, split: Split) -> Labelled:
    """Read CIFAR-100 with its fine labels: colour images, float32 `[3, 32, 32]`, of 100 classes.

    Args:
        path: folder with the files, or the one that holds `cifar-100-binary`.
        split: train (50,000 images as published) or test (10,000).

    Raises:
        DataError: a file is missing or damaged, or the folder has the python version.
    """
    return _read(path, split, _HUNDRED)


def _read(path: Path, split: Split, edition: _Edition) -> Labelled:
    check_place(path, split, edition.expected)
    root = path / edition.folder if (path / edition.folder).is_dir() else path
    missing = [
        name for name in (*edition.files[split], edition.names) if not (root / name).is_file()
    ]
    if missing and any((root / name).is_file() for name in edition.pickled):
        raise DataError(
            f"{path}: is the python version of {edition.title}, which is pickled, and files are never "
            f"unpickled; get the binary version ({edition.archive})"
        )
    if missing:
        raise DataError(
            f"{path}: {', '.join(missing)} missing; expected {edition.expected}, "
            f"as unpacked from {edition.archive}"
        )
    classes = _names(root / edition.names, edition.limits[-1])
    heads = len(edition.limits)
    records = np.concatenate([_records(root / name, heads) for name in edition.files[split]])
    wrong = np.any(records[:, :heads] >= np.array(edition.limits), axis=1)
    pixels = records[:, heads:].reshape(-1, *SHAPE)
    where = f"{edition.title} {split} in {path.name}"
    return labelled(where, pixels, records[:, heads - 1], classes, wrong)


def _records(path: Path, heads: int) -> Pixels:
    """Return the records of a file, uint8 `[N, heads + 3072]`."""
    size = heads + int(np.prod(SHAPE))
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as problem:
        raise DataError(f"{path}: cannot be read ({problem})") from problem
    if not len(content) or len(content) % size:
        raise DataError(
            f"{path}: holds {len(content):,} bytes, which are no whole records of {size:,}; "
            "it is truncated or another file, get it again"
        )
    return content.reshape(-1, size)


def _names(path: Path, count: int) -> list[str]:
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{path}: cannot be read ({problem})") from problem
    if len(names) != count or len(set(names)) != count:
        raise DataError(
            f"{path}: holds {len(set(names))} names of classes, not {count}; get it again"
        )
    return names
