"""Images that are slow to make or read, kept on disk in shards: drawn once, read at once."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from mobilekit.core import files
from mobilekit.core.errors import DataError
from mobilekit.core.progress import Advance
from mobilekit.data.task import KnowsLabels, Labelled, Sample

SHARD = 1024
"""Images of a file."""
INDEX = "index.json"
TOLERANCE = 1e-5
"""Greatest distance from a whole number, of 255, of a pixel that is kept as one."""

Arrays = npt.NDArray[Any]


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies in the folder of a data set; it is written last."""

    provenance: str
    images: int
    shard: int


def cached(
    data: Labelled,
    folder: Path,
    progress: Callable[[str], None] = lambda _words: None,
    workers: int = 0,
    source: Path | None = None,
) -> Labelled:
    """Return a data set that reads its images from shards, which are written first where they lack.

    Shards appear whole, one by one, and what a stopped run has written is taken up. Pixels that are whole
    numbers of 255 are kept as bytes, others as float32: an image is read back with the same bits, or within
    1e-5 of 255. Where the images come from decides which shards are theirs: `provenance`, the classes, the
    first image with its target, and the files below `source` with their sizes and times.

    Args:
        data: of classification or segmentation.
        folder: of all data sets' shards.
        progress: called as shards are written.
        workers: processes that draw or read images meanwhile.
        source: file or folder that the data are read from; None where they are drawn.

    Raises:
        DataError: boxes, which are not kept; images of several sizes; or shards that are damaged.
        OutputError: the disk is full, or the folder cannot be written.
    """
    if data.task == "detection":
        raise DataError(f"{data.provenance}: boxes are not cached; leave the cache out")
    place = folder / _key(data, source)
    if not (place / INDEX).is_file():
        _write(data, place, progress, workers)
    return replace(data, images=_Shards(data, place))


def _key(data: Labelled, source: Path | None) -> str:
    image, target = data[0]
    said = repr((data.task, data.classes, data.provenance, len(data)))
    found = hashlib.sha256(said.encode())
    for path in _files(source):
        stat = path.stat()
        found.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    found.update(image.numpy().tobytes())
    found.update(cast("Tensor", target).numpy().tobytes())
    return found.hexdigest()[:16]


def _files(source: Path | None) -> list[Path]:
    if source is None:
        return []
    return sorted(path for path in (source, *source.rglob("*")) if path.is_file())


def _write(data: Labelled, place: Path, progress: Callable[[str], None], workers: int) -> None:
    many = len(data)
    for number, start in enumerate(range(0, many, SHARD)):
        paths = _paths(place, number)
        end = min(start + SHARD, many)
        if not all(path.is_file() for path in paths):
            part = Subset(data, range(start, end))
            images, targets = _stacked(part, workers, data.provenance)
            for path, content in zip(paths, (_as_bytes(images), targets), strict=True):
                files.write_bytes(path, _npy(content))
        progress(Advance(f"drawing {data.provenance}", end, many))
    text = msgspec.json.encode(Index(data.provenance, many, SHARD)).decode()
    files.write_text(place / INDEX, text + "\n")


def _paths(place: Path, number: int) -> tuple[Path, Path]:
    return place / f"images-{number:05d}.npy", place / f"targets-{number:05d}.npy"


def _stacked(part: "Subset[Sample]", workers: int, where: str) -> tuple[Arrays, Arrays]:
    """Return images `[n, C, H, W]` and targets `[n]` or `[n, H, W]`."""
    images: list[Tensor] = []
    targets: list[Tensor] = []
    for image, target in _drawn(part, workers):
        if images and image.shape != images[0].shape:
            raise DataError(
                f"{where}: images of {list(images[0].shape)} and {list(image.shape)}; only those of"
                " one size are cached"
            )
        images.append(image)
        targets.append(torch.as_tensor(target))
    found = torch.stack(targets).numpy()
    if found.min() >= 0 and found.max() <= 255:
        found = found.astype(np.uint8)
    return torch.stack(images).numpy(), found


def _drawn(part: "Subset[Sample]", workers: int) -> Iterator[tuple[Tensor, Any]]:
    if workers:
        loader = DataLoader(part, batch_size=None, num_workers=workers)
        yield from cast("Iterator[tuple[Tensor, Any]]", loader)
    else:
        yield from (cast("tuple[Tensor, Any]", part[index]) for index in range(len(part)))


def _as_bytes(images: Arrays) -> Arrays:
    """Return pixels as bytes where they are whole numbers of 255, as they are elsewhere."""
    kept, whole = images, np.rint(images * 255)
    if np.abs(images * 255 - whole).max() <= TOLERANCE * 255:
        kept = whole.astype(np.uint8)
    return kept


def _npy(content: Arrays) -> bytes:
    stream = io.BytesIO()
    np.save(stream, content, allow_pickle=False)
    return stream.getvalue()


class _Shards(Dataset[Sample]):
    """Images of the shards of a folder, which are opened when they are first asked for."""

    def __init__(self, data: Labelled, place: Path) -> None:
        self._data, self._place = data, place
        try:
            self._index = msgspec.json.decode((place / INDEX).read_bytes(), type=Index)
        except (OSError, msgspec.DecodeError) as problem:
            raise DataError(f"{place / INDEX}: is damaged; delete {place}") from problem
        self._open: dict[int, tuple[Arrays, Arrays]] = {}

    def __len__(self) -> int:
        return self._index.images

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        number, row = divmod(index % len(self), self._index.shard)
        images, targets = self._shard(number)
        image = torch.from_numpy(np.array(images[row]))
        if image.dtype == torch.uint8:
            image = image.float().div_(255)
        return image, torch.from_numpy(np.array(targets[row], np.int64))

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the class numbers that occur in the target of an image."""
        if isinstance(self._data.images, KnowsLabels):
            return self._data.images.labels_of(index)
        return frozenset(torch.unique(cast("Tensor", self[index][1])).tolist())

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files behind: each process opens its own."""
        return {**self.__dict__, "_open": {}}

    def _shard(self, number: int) -> tuple[Arrays, Arrays]:
        if number not in self._open:
            paths = _paths(self._place, number)
            try:
                images, targets = (np.load(path, "r", allow_pickle=False) for path in paths)
            except (OSError, ValueError, EOFError) as problem:
                raise DataError(f"{paths[0]}: is damaged; delete {self._place}") from problem
            self._open[number] = images, targets
        return self._open[number]
