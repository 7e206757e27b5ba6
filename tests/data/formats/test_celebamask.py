"""A tiny CelebAMask-HQ, written as it is published."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilekit.core.errors import DataError
from mobilekit.data.face_labels import FACE_LABELS
from mobilekit.data.formats import celebamask_hq

HEADING = "idx           orig_idx      orig_file\n"
# Left, top, right, bottom of each part, and its class; left is that of the image. Hair covers the brow.
PARTS = {
    "skin": ((8, 8, 24, 28), "skin"), "eye_g": ((9, 12, 23, 16), "skin"),
    "l_eye": ((10, 13, 13, 15), "right eye"), "r_eye": ((19, 13, 22, 15), "left eye"),
    "l_brow": ((10, 10, 13, 12), "right brow"), "r_brow": ((19, 10, 22, 12), "left brow"),
    "nose": ((14, 15, 18, 19), "nose"), "mouth": ((12, 21, 20, 24), "inner mouth"),
    "u_lip": ((12, 20, 20, 22), "upper lip"), "l_lip": ((12, 23, 20, 25), "lower lip"),
    "hair": ((4, 2, 28, 11), "background"), "neck": ((4, 26, 28, 32), "background"),
}  # fmt: skip
ORDER = ["skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip",
         "hair", "neck"]  # fmt: skip


def save(root: Path, number: int, mode: str = "RGB") -> Path:
    (root / "CelebA-HQ-img").mkdir(exist_ok=True)
    folder = root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:64, :64]
    pixels = np.stack([columns * 4, rows * 4, 0 * rows], 2).astype(np.uint8)
    image = root / "CelebA-HQ-img" / f"{number}.jpg"
    Image.fromarray(pixels).save(image, quality=98, subsampling=0)
    for part, ((left, top, right, bottom), _) in PARTS.items():
        mask = np.zeros((32, 32), np.uint8)
        mask[top:bottom, left:right] = 255
        Image.fromarray(mask).convert(mode).save(folder / f"{number:05d}_{part}.png")
    return folder


def expected_mask() -> np.ndarray:
    mask = np.zeros((32, 32), int)
    for part in ORDER:
        (left, top, right, bottom), name = PARTS[part]
        mask[top:bottom, left:right] = FACE_LABELS.index(name)
    return mask


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    numbers = {0: 5, 2: 162_770, 3: 162_771, 2001: 182_637, 4: 182_638, 5: 202_598}
    for number in numbers:
        save(tmp_path, number)
    rows = "".join(f"{n}   {o}   {o + 1:06d}.jpg\n" for n, o in numbers.items())
    (tmp_path / "CelebA-HQ-to-CelebA-mapping.txt").write_text(HEADING + rows)
    return tmp_path


def images(data) -> list[str]:
    return [file.image.name for file in data.images._files]


def test_the_splits_are_those_of_celeba(archive: Path) -> None:
    assert images(celebamask_hq(archive, "train", 16)) == ["0.jpg", "2.jpg"]
    assert images(celebamask_hq(archive, "test", 16)) == ["4.jpg", "5.jpg"]


@pytest.mark.parametrize("mode", ["RGB", "L", "1"])
def test_parts_are_merged_in_order_and_cut_out(archive: Path, mode: str) -> None:
    save(archive, 4, mode)
    data = celebamask_hq(archive, "test", 25)
    assert (data.task, data.classes, len(data)) == ("segmentation", FACE_LABELS, 2)
    assert "left and right exchanged" in data.provenance
    image, target = data[0]
    # Below the hair and above the neck the face is (8, 11, 24, 26): 16 and 50 % are 24 from (4, 6.5) on.
    square = expected_mask()
    assert square[11:26, 8:24].all()
    middles = (np.arange(25) + 0.5) * 24 / 25
    rows, columns = (6.5 + middles).astype(int), (4 + middles).astype(int)
    np.testing.assert_array_equal(target.numpy(), square[rows][:, columns])
    # In the image of twice the size: red is 4 × the column, of which the middle counts.
    found = image[0, 12, 1:-1].numpy() * 255
    assert np.abs(found - 4 * (2 * (4 + middles) - 0.5)[1:-1]).max() < 4


def spoil(root: Path, folder: Path, how: str) -> None:
    match how:
        case "no skin":
            (folder / "00004_skin.png").unlink()
        case "empty skin":
            Image.new("RGB", (32, 32)).save(folder / "00004_skin.png")
        case "truncated":
            path = folder / "00004_skin.png"
            path.write_bytes(path.read_bytes()[:50])
        case "another size":
            Image.new("RGB", (30, 32)).save(folder / "00004_nose.png")
        case "image size":
            Image.new("RGB", (32, 32)).save(root / "CelebA-HQ-img" / "4.jpg")
        case "no image":
            (root / "CelebA-HQ-img" / "4.jpg").unlink()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no skin", r"4\.jpg \(no face in it: no mask of the skin\)"),
        ("empty skin", r"4\.jpg \(no face in it: the mask of the skin is empty\)"),
        ("truncated", r"4\.jpg \(00004_skin\.png: "),
        ("another size", r"00004_nose\.png \(30 × 32 pixels, not 32 × 32\)"),
        ("image size", r"4\.jpg \(32 × 32 pixels, not 64 × 64\)"),
        ("no image", r"4\.jpg \(missing\)"),
    ],
)
def test_what_is_broken_is_counted_and_named(archive: Path, how: str, words: str) -> None:
    spoil(archive, archive / "CelebAMask-HQ-mask-anno" / "0", how)
    with pytest.raises(DataError, match=f"1 of 2 images are broken: {words}"):
        celebamask_hq(archive, "test", 16)


def test_parts_that_change_later_stop_with_the_name(archive: Path) -> None:
    data = celebamask_hq(archive, "test", 16)
    folder = archive / "CelebAMask-HQ-mask-anno" / "0"
    Image.new("L", (9, 9)).save(folder / "00004_hair.png")
    with pytest.raises(DataError, match=r"4\.jpg: masks of several sizes, or none"):
        data[0]
    Image.new("L", (32, 32), 255).save(folder / "00005_hair.png")
    with pytest.raises(DataError, match=r"5\.jpg: no face in it"):
        data[1]


def test_a_missing_or_damaged_list_is_refused(archive: Path) -> None:
    path = archive / "CelebA-HQ-to-CelebA-mapping.txt"
    path.write_text(HEADING + "0 five 6.jpg\n")
    with pytest.raises(DataError, match=r"mapping\.txt: is damaged .* expected lines such as"):
        celebamask_hq(archive, "test", 16)
    path.write_text(HEADING)
    with pytest.raises(DataError, match=r"CelebAMask-HQ test .*: holds no image"):
        celebamask_hq(archive, "test", 16)
    path.unlink()
    with pytest.raises(DataError, match=r"mapping\.txt: cannot be read .* expected CelebA-HQ-img/"):
        celebamask_hq(archive, "test", 16)
