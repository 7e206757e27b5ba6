"""The Deepfake Detection Challenge: Dolhansky et al., "The DeepFake Detection Challenge dataset" (2020).

Folders such as `dfdc_train_part_0` with videos, and `metadata.json` that has for the name of each its `label`,
REAL or FAKE, and for a fake the name of its `original`. Validation and test videos come with `labels.csv`
instead, lines `filename,label` with 0 or 1, or REAL and FAKE, which name no original. File names and keys are
written from memory and from public loaders, not from the archive itself.

Where a folder has a `boxes.json`, faces are cut out by it: for the name of each video a list of rows
`[frame, left, top, right, bottom]`, the number of a frame from 0 on and edges in pixels; a frame takes the
row whose number is nearest. Without it the largest square in the middle of a frame is taken.
"""

import unicodedata
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.utils.data import Dataset

from mobilekit.core.errors import DataError
from mobilekit.core.seeding import child_seed
from mobilekit.data import video
from mobilekit.data.formats.dfdc_lists import BOXES, LABELS, METADATA, Clip, clips
from mobilekit.data.formats.face_crops import TEST_MARGIN, Square, around, centred, check_box
from mobilekit.data.formats.faults import check_place, weigh
from mobilekit.data.formats.pictures import as_tensor
from mobilekit.data.task import Labelled, Sample, Split

CLASSES = ("real", "fake")
_EXPECTED = f"videos and {METADATA} or {LABELS}, or with such folders"
_HELD_BACK = ("test", "validation", "val")
_SEED_RANGE = 1 << 63


def dfdc(
    path: Path, split: Split, size: int, count: int = 16, share: float = 0.8, seed: int = 0
) -> Labelled:
    """Read DFDC: frames of videos, colour images float32 `[3, size, size]`, real or fake.

    A real video and the fakes made of it are on the same side of the division.

    Args:
        path: folder with `metadata.json`, or with folders that have it; what lies in `test`, `validation` or
            `val` with `labels.csv` is the test split, else the originals are divided by their names.
        split: train or test.
        size: of both sides, pixels, at least 1.
        count: evenly spaced frames of each video, at least 1; all of a video that has fewer.
        share: of the originals that go to train where nothing is held back, above 0 and below 1.
        seed: of that division.

    Raises:
        DataError: no video, a list that is damaged, or too many videos are broken.
        RuntimeUnavailableError: PyAV is not installed.
    """
    check_place(path, split, _EXPECTED)
    if size < 1 or count < 1 or not 0 < share < 1:
        raise DataError(
            f"{path}: size {size} and count {count} must be at least 1, and share {share} between 0 and 1"
        )
    folders, divided = _folders(path, split)
    pairs = [clips(folder) for folder in folders]
    found = [clip for sound, _ in pairs for clip in sound]
    broken = [text for _, texts in pairs for text in texts]
    where = f"DFDC {split} in {path.name}"
    remark = weigh(where, broken, len(found) + len(broken), "videos")
    if divided:
        found = [clip for clip in found if _is_train(clip, share, seed) == (split == "train")]
    if not found:
        raise DataError(f"{where}: no video falls into this split")
    frames = ClipFrames(found, size, count)
    fakes = sum(clip.fake for clip in found)
    rule = f", by share {share} and seed {seed} of the originals" if divided else ""
    provenance = (
        f"{where}{rule}: {len(frames):,} frames of {len(found) - fakes:,} real and {fakes:,} fake videos"
        f"{remark}"
    )
    return Labelled("classification", CLASSES, frames, provenance)


class ClipFrames(Dataset[Sample]):
    """Frames of videos, the videos decoded when asked for; neighbours in order cost one decoding."""

    def __init__(self, found: list[Clip], size: int, count: int) -> None:
        """Hold the names of the videos.

        Args:
            found: sound ones.
            size: of both sides of a frame, pixels.
            count: frames of each.
        """
        self._clips = found
        self._size = size
        self._count = count
        self._ends = list(accumulate(min(count, clip.frames) for clip in found))
        self._last: tuple[int, list[Image.Image]] = (-1, [])

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]
        which = bisect_right(self._ends, index)
        if self._last[0] != which:
            self._last = which, self._cut(which)
        number = index - (self._ends[which - 1] if which else 0)
        label = torch.tensor(int(self._clips[which].fake))
        return as_tensor(self._last[1][number]), label

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the class of a frame, without decoding it."""
        which = bisect_right(self._ends, range(len(self))[index])
        return frozenset({int(self._clips[which].fake)})

    def _cut(self, which: int) -> list[Image.Image]:
        clip = self._clips[which]
        decoded = video.read_frames(clip.path, self._count)
        if len(decoded) < min(self._count, clip.frames):
            raise DataError(
                f"{clip.path}: its header promised {clip.frames} frames, {len(decoded)} are there; "
                "get it again, or remove it"
            )
        numbers = video.spread(clip.frames, self._count)
        if len(decoded) != len(numbers):
            raise DataError(
                f"{clip.path}: its header promises {clip.frames} frames, and more are there; write it anew, or"
                " remove it"
            )
        return [
            _square(clip, number, pixels).image(Image.fromarray(pixels), self._size)
            for number, pixels in zip(numbers, decoded, strict=True)
        ]


def _folders(path: Path, split: Split) -> tuple[list[Path], bool]:
    """Return the folders to read, and whether what they hold is to be divided."""
    if (path / METADATA).is_file():
        return [path], True
    held = next((path / name for name in _HELD_BACK if (path / name / LABELS).is_file()), None)
    if (path / LABELS).is_file():
        held = path
    parts = sorted(place.parent for place in path.glob(f"*/{METADATA}"))
    if held is not None and split == "test":
        return [held], False
    if not parts:
        found = f"only {LABELS}, which names no original, so that it is for testing alone"
        reason = found if held is not None else f"neither {METADATA} nor {LABELS}"
        raise DataError(f"{path}: has {reason}; expected a folder with {_EXPECTED}")
    return parts, held is None


def _is_train(clip: Clip, share: float, seed: int) -> bool:
    name = unicodedata.normalize("NFC", clip.original)
    return child_seed(seed, "split", name) < share * _SEED_RANGE


def _square(clip: Clip, number: int, pixels: npt.NDArray[np.uint8]) -> Square:
    """Return what is cut out of a frame."""
    height, width, _ = pixels.shape
    if not clip.faces:
        return centred(width, height)
    frame, left, top, right, bottom = min(clip.faces, key=lambda row: abs(row[0] - number))
    box = left, top, right, bottom
    try:
        check_box(box, width, height)
    except ValueError as problem:
        raise DataError(f"{clip.path}: frame {frame}: {problem}; mend {BOXES}") from problem
    return around(box, TEST_MARGIN)
