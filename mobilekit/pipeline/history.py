"""What happened in a training: read its folder, say which epochs are worth choosing, draw it."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mobilekit.core import files
from mobilekit.core.errors import ArtifactError, UsageError
from mobilekit.core.histories import HISTORY, Epoch, History, records_name, weights_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[str], None]
PICTURES: dict[str, Literal["png", "svg", "pdf"]] = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
ZEROS = {"zero_filters", "zero_groups", "sparsity"}
"""Figures of which more is better: what can be removed, or stored briefly."""


class Choice(msgspec.Struct, frozen=True):
    """An epoch that no other one beats."""

    epoch: int
    metric: float
    zeros: dict[str, float]
    """The figures of `ZEROS` that the training has."""
    weights: str | None
    """File of its weights; None where they were not kept, or are gone."""


class TrainingHistory(msgspec.Struct, frozen=True):
    """One training, and the choice it leaves."""

    folder: str
    metric: str
    data: str
    epochs: tuple[Epoch, ...]
    pareto: tuple[Choice, ...]
    """By falling metric."""
    picture: str | None = None
    """File that was drawn."""

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures of all epochs, in the order in which they appear."""
        return History(self.metric, self.data, self.epochs).figures


def history(
    folder: Path, out: Path | None = None, progress: Progress = lambda _words: None
) -> tuple[TrainingHistory, ...]:
    """Read the trainings of a folder.

    Args:
        folder: of one training, or one that holds such folders, as `run` leaves it.
        out: picture to draw; of several trainings, one each with the folder's name in its own.
        progress: takes a line of text.

    Returns:
        One per training, in the order in which they ran.

    Raises:
        UsageError: a picture of an unknown kind.
        ArtifactError: no training there, or a damaged file.
        OutputError: a picture cannot be written.
    """
    if out is not None and out.suffix.lower() not in PICTURES:
        raise UsageError(
            f"--out {out}: expected a name that ends in {', '.join(PICTURES)}; found {out.suffix!r}"
        )
    found = []
    folders = _trainings(folder)
    for each in folders:
        progress(f"reading {each}")
        picture = out
        if out is not None and len(folders) > 1:
            picture = out.with_stem(f"{out.stem}-{each.name}")
        found.append(_one(each, picture, progress))
    return tuple(found)


def pareto(epochs: Sequence[Epoch]) -> tuple[Epoch, ...]:
    """Return the epochs that no other one beats, by falling metric, equal ones in their order.

    One epoch beats another that is nowhere better, and somewhere worse: in the metric, or in a figure
    that counts zeros. An epoch without one of these numbers is not chosen.
    """
    names = _zeros(epochs)
    rated = []
    for epoch in epochs:
        numbers = [epoch.metric, *(epoch.figures.get(name) for name in names)]
        finite = tuple(number for number in numbers if number is not None)
        if len(finite) == len(numbers):
            rated.append((finite, epoch))
    front: list[tuple[tuple[float, ...], Epoch]] = []
    for rating, epoch in sorted(rated, key=lambda one: one[0], reverse=True):
        # what beats an epoch comes before it, and is in the list or beaten by what is
        if not any(_beats(other, rating) for other, _ in front):
            front.append((rating, epoch))
    return tuple(epoch for _, epoch in front)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def _zeros(epochs: Sequence[Epoch]) -> tuple[str, ...]:
    """Return the names of the figures that count zeros; a second method's end in its place."""
    names = dict.fromkeys(name for epoch in epochs for name in epoch.figures)
    return tuple(name for name in names if name.partition(".")[0] in ZEROS)


def _trainings(folder: Path) -> list[Path]:
    if not folder.is_dir():
        what = "is a file; name the folder it is in" if folder.exists() else "no such folder"
        raise ArtifactError(f"{folder}: {what}")
    if (folder / HISTORY).is_file():
        return [folder]
    found = [path.parent for path in folder.glob(f"*/{HISTORY}")]
    if not found:
        beside = folder.with_name(f"{folder.name}.training")
        hint = f" Did you mean {beside}?" if beside.is_dir() else ""
        raise ArtifactError(
            f"{folder}: no training; expected {HISTORY} in it, as `mobilekit run` writes it to"
            f" <out>.training/<n>-train once an epoch is over.{hint}"
        )
    return sorted(found, key=_place)


def _place(folder: Path) -> tuple[int, str]:
    """Sort `2-train` before `10-train`."""
    number = re.match(r"\d+", folder.name)
    return (int(number[0]) if number else 0, folder.name)


def _one(folder: Path, picture: Path | None, progress: Progress) -> TrainingHistory:
    read = _read(folder / HISTORY)
    if picture is not None:
        progress(f"drawing {picture}")
        _draw(folder, read, picture)
    names = _zeros(read.epochs)
    choices = [
        Choice(
            epoch.epoch,
            epoch.metric or 0.0,
            {name: epoch.figures[name] or 0.0 for name in names},
            _weights(folder, epoch),
        )
        for epoch in pareto(read.epochs)
    ]
    return TrainingHistory(
        str(folder),
        read.metric,
        read.data,
        read.epochs,
        tuple(choices),
        None if picture is None else str(picture),
    )


def _weights(folder: Path, epoch: Epoch) -> str | None:
    path = folder / weights_name(epoch.epoch)
    return str(path) if epoch.kept and path.is_file() else None


def _read(path: Path) -> History:
    """Read a history.

    Raises:
        ArtifactError: it cannot be read, is damaged, or has no epoch.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=History)
    except OSError as problem:
        raise ArtifactError(f"{path}: cannot be read ({problem.strerror})") from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ArtifactError(
            f"{path}: is no history of a training, or damaged ({problem})"
        ) from problem
    if not found.epochs:
        raise ArtifactError(f"{path}: has no epoch")
    numbers = [epoch.epoch for epoch in found.epochs]
    if numbers != sorted(set(numbers)):
        raise ArtifactError(f"{path}: is damaged (its epochs do not ascend)")
    return found


def _draw(folder: Path, read: History, picture: Path) -> None:
    from mobilekit.report.history_plot import plot

    records = {
        epoch.epoch: _records(path)
        for epoch in read.epochs
        if (path := folder / records_name(epoch.epoch)).is_file()
    }
    kind = PICTURES[picture.suffix.lower()]
    chosen = {epoch.epoch for epoch in pareto(read.epochs)}
    files.write_bytes(picture, plot(read, records, _title(folder), kind, chosen))


def _title(folder: Path) -> str:
    """Name the run: `lenet.training/1-train`."""
    whole = folder.resolve()
    return f"{whole.parent.name}/{whole.name}"


def _records(path: Path) -> "Mapping[str, NDArray[Any]]":
    """Read the tensors of an epoch.

    Raises:
        ArtifactError: a damaged file, or tensors of another shape than records have.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        found: Mapping[str, NDArray[Any]] = load(path.read_bytes())
    except OSError as problem:
        raise ArtifactError(f"{path}: cannot be read ({problem.strerror})") from problem
    except (SafetensorError, KeyError, ValueError) as problem:  # KeyError: a type NumPy has not
        words = " ".join(str(problem).split())[:120]
        raise ArtifactError(f"{path}: is no whole .safetensors file ({words})") from problem
    dimensions = {"values": 1, "zero": 1, "sparsity": 0, "filters": 4}
    for name, tensor in found.items():
        kind = name.partition(".")[0]
        if tensor.ndim != dimensions.get(kind, tensor.ndim):
            raise ArtifactError(
                f"{path}: {name} has {tensor.ndim} dimensions, {dimensions[kind]} are expected; take the"
                " file as the training wrote it"
            )
    return found
