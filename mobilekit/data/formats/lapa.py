"""LaPa: Liu et al., "A new dataset and boundary-attention semantic segmentation for face parsing" (AAAI 2020).

`train`, `val` and `test`, in each `images/NAME.jpg`, `labels/NAME.png` with a label per pixel, the 11 of
Helen in the same order, and `landmarks/NAME.txt` with their number, 106, and x and y of each. The box of
a face is that of its landmarks. Hair becomes background; `val` is not read. File names and the sizes of the
splits, 18,176, 2,000 and 2,000, which are not checked, are written from memory and from public loaders,
not from the archive itself.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobilekit.core.errors import DataError
from mobilekit.data.formats.face_crops import Box, Mask, check_box
from mobilekit.data.formats.face_files import labelled_faces
from mobilekit.data.formats.faults import check_place
from mobilekit.data.formats.pictures import fault, levels
from mobilekit.data.task import Labelled, Split

_EXPECTED = "train/ and test/, in each images/, labels/ and landmarks/"
_HAIR = 10
_POINTS = 106


@dataclass(frozen=True)
class LapaFile:
    """An image of LaPa."""

    root: Path
    """Of the split."""
    name: str

    @property
    def image(self) -> Path:
        """The photograph."""
        return self.root / "images" / f"{self.name}.jpg"

    def fault(self) -> str | None:
        """Return what is wrong; labels and landmarks are read, of the image the header and the end."""
        if not self.image.is_file():
            return f"{self.image.name} (has labels, but the image is missing)"
        try:
            mask = self.mask()
            self.box(mask)
        except ValueError as problem:
            return f"{self.name} ({problem})"
        return fault(self.image, (mask.shape[1], mask.shape[0]))

    def mask(self) -> Mask:
        """Return the label of each pixel, `[H, W]`."""
        mask = levels(self.root / "labels" / f"{self.name}.png")
        most = int(mask.max())
        if most > _HAIR:
            raise ValueError(f"unknown label {most}; the highest is {_HAIR}")
        mask[mask == _HAIR] = 0
        return mask

    def box(self, mask: Mask) -> Box:
        """Return the box of the landmarks."""
        points = _points(self.root / "landmarks" / f"{self.name}.txt")
        (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
        check_box((left, top, right, bottom), mask.shape[1], mask.shape[0])
        return left, top, right, bottom


def lapa(path: Path, split: Split, size: int, seed: int = 0) -> Labelled:
    """Read LaPa: faces, float32 `[3, size, size]`, with the classes of `FACE_LABELS`.

    Args:
        path: folder with `train` and `test`.
        split: train or test.
        size: of both sides, pixels, at least 1.
        seed: of the margins around faces of train.

    Raises:
        DataError: a folder is missing or empty, or too many images are broken.
    """
    check_place(path, split, _EXPECTED)
    root = path / split
    parts = {root / "images": ".jpg", root / "labels": ".png", root / "landmarks": ".txt"}
    missing = [str(folder.relative_to(path)) for folder in parts if not folder.is_dir()]
    if missing:
        raise DataError(f"{path}: {', '.join(missing)} missing; expected {_EXPECTED}")
    # What is in one folder and not in the others is broken, whichever it is.
    names = {
        place.stem
        for folder, suffix in parts.items()
        for place in folder.iterdir()
        if place.suffix == suffix and not place.name.startswith(".")
    }
    files = [LapaFile(root, name) for name in sorted(names)]
    return labelled_faces(f"LaPa {split} in {path.name}", files, split, size, seed)


def _points(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the landmarks, `[106, 2]`."""
    try:
        numbers = [float(word) for word in path.read_text(encoding="ascii").split()]
    except FileNotFoundError as problem:
        raise ValueError(f"landmarks/{path.name} is missing") from problem
    except (OSError, ValueError) as problem:
        raise ValueError(f"landmarks/{path.name} holds no numbers") from problem
    if len(numbers) != 1 + 2 * _POINTS or numbers[0] != _POINTS or not np.isfinite(numbers).all():
        raise ValueError(f"landmarks/{path.name} holds no {_POINTS} points")
    return np.array(numbers[1:]).reshape(_POINTS, 2)
