"""MNIST, in the four IDX files as published, plain or gzipped.

An IDX file is two zero bytes, a type (8: unsigned byte), the number of dimensions, each dimension as
a big-endian 32-bit integer, and the values (LeCun, Cortes and Burges, "The MNIST database of
handwritten digits"). Fashion-MNIST and KMNIST have the same files, with other things on them.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mobilekit.core.errors import DataError
from mobilekit.data.formats.faults import check_place
from mobilekit.data.formats.stored import Pixels, labelled
from mobilekit.data.task import Labelled, Split

SIDE = 28
CLASSES = tuple("0123456789")
_EXPECTED = "train-images-idx3-ubyte, train-labels-idx1-ubyte and the two of t10k, plain or .gz"
_PREFIX = {"train": "train", "test": "t10k"}
_BELOW = ("", "raw", "MNIST/raw")  # where torchvision puts them
_UNSIGNED_BYTE = 8
_GZIP = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20


def mnist(path: Path, split: Split) -> Labelled:
    """Read MNIST: gray images, float32 `[1, 28, 28]`.

    Args:
        path: folder with the files.
        split: train (60,000 images as published) or test (10,000).

    Raises:
        DataError: a file is missing, damaged, or does not fit the other one.
    """
    check_place(path, split, _EXPECTED)
    images_file = _find(path, f"{_PREFIX[split]}-images", 3)
    labels_file = _find(path, f"{_PREFIX[split]}-labels", 1)
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if images.shape[1:] != (SIDE, SIDE):
        raise DataError(
            f"{images_file}: images have {images.shape[1]} × {images.shape[2]} pixels, "
            f"not {SIDE} × {SIDE}"
        )
    if len(images) != len(labels) or not len(images):
        raise DataError(
            f"{images_file}: {len(images):,} images, but {labels_file.name} has {len(labels):,} labels"
        )
    where = f"MNIST {split} in {path.name}"
    return labelled(where, images[:, None], labels, CLASSES, labels >= len(CLASSES))


def read_idx(path: Path, dimensions: int) -> Pixels:
    """Read an IDX file of unsigned bytes.

    Args:
        path: of the file; gzip is told from its content.
        dimensions: it should have.

    Raises:
        DataError: it cannot be read, has another magic number, or another size than it says.
    """
    try:
        with path.open("rb") as plain, _unpacked(plain) as stream:
            magic = _take(stream, 4)
            _check_magic(path, magic, dimensions)
            sizes = _take(stream, 4 * dimensions)
            if len(sizes) < 4 * dimensions:
                raise DataError(f"{path}: is truncated in its header; get it again")
            shape = struct.unpack(f">{dimensions}I", sizes)
            content = _take(stream, math.prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(f"{path}: cannot be read ({problem}); get it again") from problem
    if len(content) != math.prod(shape):
        found = f"only {len(content):,}" if len(content) < math.prod(shape) else "more"
        raise DataError(
            f"{path}: its header says {math.prod(shape):,} values, the file holds {found}; get it again"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _unpacked(plain: BinaryIO) -> BinaryIO | gzip.GzipFile:
    """Return a stream of what a file holds, gzipped or not."""
    packed = plain.read(2) == _GZIP
    plain.seek(0)
    return gzip.GzipFile(fileobj=plain, mode="rb") if packed else plain


def _check_magic(path: Path, magic: bytes, dimensions: int) -> None:
    expected = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if magic != expected:
        raise DataError(
            f"{path}: begins with {magic.hex() or 'nothing'}, an IDX file of unsigned bytes in "
            f"{dimensions} dimensions with {expected.hex()}"
        )


def _find(path: Path, start: str, dimensions: int) -> Path:
    """Return the first of the spellings that is there."""
    names = [f"{start}{mark}idx{dimensions}-ubyte{end}" for end in ("", ".gz") for mark in "-."]
    for below in _BELOW:
        for name in names:
            if (path / below / name).is_file():
                return path / below / name
    raise DataError(f"{path}: {names[0]} is missing, plain or .gz; expected {_EXPECTED}")


def _take(stream: BinaryIO | gzip.GzipFile, count: int) -> bytes:
    """Read up to `count` bytes without believing that there are so many."""
    parts = []
    while count > 0 and (part := stream.read(min(count, _CHUNK_BYTES))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
