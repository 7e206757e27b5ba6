"""CelebAMask-HQ: Lee et al., "MaskGAN: towards diverse and interactive facial image manipulation" (CVPR 2020).

`CelebA-HQ-img/N.jpg` of 1024 × 1024 pixels, N from 0 to 29,999, and a mask of 512 × 512 for each part that is
to be seen, `CelebAMask-HQ-mask-anno/N÷2000/NNNNN_PART.png`, white on black. Where parts overlap the later
one of the authors' order counts. Glasses become skin; hair, hats, ears, necks and clothes background. The
box of a face is that of its labels. Train and test are those of CelebA: `CelebA-HQ-to-CelebA-mapping.txt`
names the number of each image there, below 162,771 train and from 182,638 on test, as the authors' script
has it; what lies between is for validation and not read. File names, the order and these numbers are
written from memory and from public loaders, not from the archive itself.
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

_IMAGES, _MASKS, _MAPPING = (
    "CelebA-HQ-img", "CelebAMask-HQ-mask-anno", "CelebA-HQ-to-CelebA-mapping.txt",
)  # fmt: skip
_EXPECTED = f"{_IMAGES}/, {_MASKS}/ and {_MAPPING}"
_PARTS = {
    "skin": 1, "nose": 6, "eye_g": 1, "l_eye": 4, "r_eye": 5, "l_brow": 2, "r_brow": 3, "l_ear": 0,
    "r_ear": 0, "mouth": 8, "u_lip": 7, "l_lip": 9, "hair": 0, "hat": 0, "ear_r": 0, "neck_l": 0,
    "neck": 0, "cloth": 0,
}  # fmt: skip
"""The class of each part, from the back to the front."""
_SET = 128
_PER_FOLDER = 2000
_SPLITS = {"train": range(162_771), "test": range(182_638, 202_599)}


@dataclass(frozen=True)
class CelebAMaskFile:
    """An image of CelebAMask-HQ."""

    root: Path
    number: int

    @property
    def image(self) -> Path:
        """The photograph."""
        return self.root / _IMAGES / f"{self.number}.jpg"

    @property
    def parts(self) -> dict[str, Path]:
        """The masks that there are, from the back to the front."""
        folder = self.root / _MASKS / str(self.number // _PER_FOLDER)
        places = {part: folder / f"{self.number:05d}_{part}.png" for part in _PARTS}
        return {part: place for part, place in places.items() if place.is_file()}

    def fault(self) -> str | None:
        """Return what is wrong; of the parts only the skin is decoded, the others' headers are read."""
        parts = self.parts
        if "skin" not in parts:
            return f"{self.image.name} (no face in it: no mask of the skin)"
        try:
            skin = levels(parts["skin"])
        except ValueError as problem:
            return f"{self.image.name} ({problem})"
        if not (skin >= _SET).any():
            return f"{self.image.name} (no face in it: the mask of the skin is empty)"
        height, width = skin.shape
        texts = [fault(place, (width, height)) for place in parts.values()]
        texts.append(fault(self.image, (2 * width, 2 * height)))
        return next((text for text in texts if text is not None), None)

    def mask(self) -> Mask:
        """Return the classes, `[512, 512]`."""
        masks = {part: levels(place) for part, place in self.parts.items()}
        if len({mask.shape for mask in masks.values()}) != 1:
            raise ValueError("masks of several sizes, or none")
        merged = np.zeros_like(next(iter(masks.values())))
        for part, mask in masks.items():
            merged[mask >= _SET] = _PARTS[part]
        return merged

    def box(self, mask: Mask) -> Box:
        """Return the box of all that is no background."""
        box = box_of(mask > 0)
        if box is None:
            raise ValueError("no face in it")
        return box


def celebamask_hq(path: Path, split: Split, size: int, seed: int = 0) -> Labelled:
    """Read CelebAMask-HQ: faces, float32 `[3, size, size]`, with the classes of `FACE_LABELS`.

    Args:
        path: folder with the images, the masks and `CelebA-HQ-to-CelebA-mapping.txt`.
        split: train (24,183 images as published) or test (2,824).
        size: of both sides, pixels, at least 1.
        seed: of the margins around faces of train.

    Raises:
        DataError: the list is missing or damaged, or too many images are broken.
    """
    check_place(path, split, _EXPECTED)
    files = [
        CelebAMaskFile(path, number)
        for number, original in _mapping(path / _MAPPING)
        if original in _SPLITS[split]
    ]
    return labelled_faces(f"CelebAMask-HQ {split} in {path.name}", files, split, size, seed)


def _mapping(path: Path) -> list[tuple[int, int]]:
    """Return the number of each image, and that in CelebA, below a line of headings."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()[1:]
        return [(int(words[0]), int(words[1])) for line in lines if (words := line.split())]
    except OSError as problem:
        raise DataError(f"{path}: cannot be read ({problem}); expected {_EXPECTED}") from problem
    except (ValueError, IndexError) as problem:
        raise DataError(
            f"{path}: is damaged ({problem}); expected lines such as '0 119613 119614.jpg'"
        ) from problem
