"""What the lists of DFDC say: which video is a fake, of which original, and where the face is."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from mobilekit.core.errors import DataError
from mobilekit.data import video

METADATA, LABELS, BOXES = "metadata.json", "labels.csv", "boxes.json"
_FAKE = {"REAL": False, "FAKE": True, "0": False, "1": True}
FaceRow = tuple[Annotated[int, msgspec.Meta(ge=0)], float, float, float, float]
"""Number of a frame, counted from 0; left, top, right and bottom edge of the face in it, pixels."""
T = TypeVar("T")


class _Entry(msgspec.Struct):
    label: str
    original: str | None = None


@dataclass(frozen=True)
class Clip:
    """A video."""

    path: Path
    fake: bool
    original: str
    """What it was made of; its own name when it is real, or when nothing is known."""
    frames: int
    """That it promises."""
    faces: tuple[FaceRow, ...]
    """In the order of the frames; empty where there is no file of boxes."""


def clips(folder: Path) -> tuple[list[Clip], list[str]]:
    """Return the videos of a folder by its list, and a line for each that is broken.

    Raises:
        DataError: a list is damaged.
    """
    if (folder / METADATA).is_file():
        source, entries = METADATA, _metadata(folder / METADATA)
    else:
        source, entries = LABELS, _labels(folder / LABELS)
    boxes = _boxes(folder / BOXES)
    sound, broken = [], []
    for name, entry in sorted(entries.items()):
        try:
            sound.append(_clip(folder, name, entry, boxes))
        except ValueError as problem:
            broken.append(f"{name} ({problem})")
    beside = sorted(
        place.name
        for place in folder.iterdir()
        if place.suffix.lower() in video.SUFFIXES and not place.name.startswith(".")
    )
    broken += [f"{name} (not in {source})" for name in beside if name not in entries]
    return sound, broken


def _clip(folder: Path, name: str, entry: _Entry, boxes: dict[str, list[FaceRow]] | None) -> Clip:
    """Return a video that promises frames.

    Raises:
        ValueError: what is wrong with it.
    """
    if Path(name).name != name:
        raise ValueError("no plain name of a file")
    if entry.label.upper() not in _FAKE:
        raise ValueError(f"unknown label {entry.label!r}")
    faces = tuple(sorted(boxes.get(name, []))) if boxes is not None else ()
    if boxes is not None and not faces:
        raise ValueError(f"no face: no box in {BOXES}")
    if any(right <= left or bottom <= top for _, left, top, right, bottom in faces):
        raise ValueError(f"no face: an empty box in {BOXES}")
    frames = video.promised_frames(folder / name)
    return Clip(folder / name, _FAKE[entry.label.upper()], entry.original or name, frames, faces)


def _metadata(path: Path) -> dict[str, _Entry]:
    return _decoded(path, lambda content: msgspec.json.decode(content, type=dict[str, _Entry]))


def _boxes(path: Path) -> dict[str, list[FaceRow]] | None:
    if not path.is_file():
        return None
    return _decoded(
        path, lambda content: msgspec.json.decode(content, type=dict[str, list[FaceRow]])
    )


def _labels(path: Path) -> dict[str, _Entry]:
    def decode(content: bytes) -> dict[str, _Entry]:
        rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines(), strict=True))
        if not rows or not {"filename", "label"} <= rows[0].keys():
            raise ValueError("expected a line 'filename,label' and a line for each video")
        entries = {row["filename"] or "": _Entry(row["label"] or "") for row in rows}
        if len(entries) < len(rows):
            raise ValueError("it names a video twice")
        return entries

    return _decoded(path, decode)


def _decoded(path: Path, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, ValueError, csv.Error) as problem:
        raise DataError(f"{path}: cannot be read ({problem}); get it again") from problem
