"""Helen with the labels of Smith et al., "Exemplar-based face parsing" (CVPR 2013).

`images/ID.jpg`, and for each `labels/ID/ID_lbl00.png` … `ID_lbl10.png`: how probable each of 11 labels
is in each pixel, 0–255. The most probable one counts; the first of several. Hair becomes background.
`exemplars.txt` lists the training images and `testing.txt` the test images, `number , ID` in each line;
`tuning.txt`, by which the authors chose their parameters, is not read. There are no landmarks, so that the
box of a face is that of its labels. File names are written from memory and from public loaders, not from
the archive itself.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobilekit.core.errors import DataError
from mobilekit.data.formats.face_crops import Box, Mask, box_of
from mobilekit.data.formats.face_files import labelled_faces
from mobilekit.data.formats.faults import check_place
from mobilekit.data.formats.pictures import fault, levels
from mobilekit.data.task import Labelled, Split

_EXPECTED = "images/, labels/, exemplars.txt and testing.txt"
_LISTS = {"train": "exemplars.txt", "test": "testing.txt"}
_LABELS = 11
_SKIN, _HAIR = 1, 10
_LIKELY = 128


@dataclass(frozen=True)
class HelenFile:
    """An image of Helen."""

    root: Path
    name: str

    @property
    def image(self) -> Path:
        """The photograph."""
        return self.root / "images" / f"{self.name}.jpg"

    @property
    def maps(self) -> list[Path]:
        """The probability of each label."""
        folder = self.root / "labels" / self.name
        return [folder / f"{self.name}_lbl{label:02d}.png" for label in range(_LABELS)]

    def fault(self) -> str | None:
        """Return what is wrong; of the maps only that of the skin is decoded, the others' headers read."""
        try:
            skin = levels(self.maps[_SKIN])
        except ValueError as problem:
            return f"{self.name} ({problem})"
        size = skin.shape[1], skin.shape[0]
        texts = (fault(path, size) for path in (self.image, *self.maps))
        found = next((text for text in texts if text is not None), None)
        return found if found or (skin >= _LIKELY).any() else f"{self.name} (no face in it)"

    def mask(self) -> Mask:
        """Return the most probable label of each pixel, `[H, W]`."""
        best = levels(self.maps[0])
        mask = np.zeros_like(best)
        for label, path in enumerate(self.maps[1:], start=1):
            found = levels(path)
            if found.shape != best.shape:
                raise ValueError(f"{path.name} has another size than {self.maps[0].name}")
            mask[found > best] = label
            np.maximum(best, found, out=best)
        mask[mask == _HAIR] = 0
        return mask

    def box(self, mask: Mask) -> Box:
        """Return the box of all that is no background."""
        box = box_of(mask > 0)
        if box is None:
            raise ValueError("no face in it")
        return box


def helen(path: Path, split: Split, size: int, seed: int = 0) -> Labelled:
    """Read Helen: faces, float32 `[3, size, size]`, with the classes of `FACE_LABELS`.

    Args:
        path: folder with `images`, `labels`, `exemplars.txt` and `testing.txt`.
        split: train (2,000 images as published) or test (100).
        size: of both sides, pixels, at least 1.
        seed: of the margins around faces of train.

    Raises:
        DataError: a list is missing or damaged, or too many images are broken.
    """
    check_place(path, split, _EXPECTED)
    files = [HelenFile(path, name) for name in _names(path / _LISTS[split])]
    return labelled_faces(f"Helen {split} in {path.name}", files, split, size, seed)


def _names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{path}: cannot be read ({problem}); expected {_EXPECTED}") from problem
    names = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            index, comma, name = line.partition(",")
            if not comma or not index.strip().isdigit() or Path(name.strip()).name != name.strip():
                raise DataError(
                    f"{path}: line {number} is {line[:60]!r}; expected such as '1 , 232194_1'"
                )
            names.append(name.strip())
    return names
