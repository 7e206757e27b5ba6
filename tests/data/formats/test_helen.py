"""A tiny Helen, written as it is published."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mobilekit.core.errors import DataError
from mobilekit.data.face_labels import FACE_LABELS
from mobilekit.data.formats import helen

Drawn = tuple[np.ndarray, np.ndarray]
LARGER = 1.5  # the box and a margin of 50 %


def save(root: Path, name: str, face: Drawn) -> Path:
    """Write an image, and how probable each label is: 200 of the true one, 55 of a wrong one."""
    pixels, labels = face
    (root / "images").mkdir(exist_ok=True)
    folder = root / "labels" / name
    folder.mkdir(parents=True)
    Image.fromarray(pixels).save(root / "images" / f"{name}.jpg", quality=98, subsampling=0)
    for label in range(11):
        level = 200 * (labels == label) + 55 * ((labels + 3) % 11 == label)
        Image.fromarray(level.astype(np.uint8)).save(folder / f"{name}_lbl{label:02d}.png")
    return folder


@pytest.fixture
def archive(tmp_path: Path, drawn_face: Drawn) -> Path:
    for number in range(4):
        save(tmp_path, f"{number}_1", drawn_face)
    (tmp_path / "exemplars.txt").write_text("1 , 0_1\n2 , 1_1\n\n3 , 2_1\n")
    (tmp_path / "testing.txt").write_text("1 , 3_1\n")
    return tmp_path


def test_the_most_probable_label_is_cut_out_around_the_face(
    archive: Path, drawn_face: Drawn
) -> None:
    data = helen(archive, "test", 54)
    assert (data.task, data.classes, len(data)) == ("segmentation", FACE_LABELS, 1)
    image, target = data[0]
    assert (image.dtype, image.shape) == (torch.float32, (3, 54, 54))
    assert (target.dtype, target.shape) == (torch.int64, (54, 54))
    # The box (20, 16, 56, 52) has sides of 36; 54 pixels from (11, 7) on, cut at one pixel each.
    pixels, labels = drawn_face
    expected = np.where(labels == 10, 0, labels)[7:61, 11:65]
    np.testing.assert_array_equal(target[:53].numpy(), expected)
    assert not target[53].any()
    shown = pixels[7:61, 11:65].transpose(2, 0, 1) / 255
    assert np.abs(image[:, :53].numpy() - shown).max() < 0.03  # JPEG at 98 on ramps
    np.testing.assert_allclose(image[:, 53], 114 / 255, atol=1e-6)


def test_training_margins_differ_and_are_those_of_the_seed(archive: Path) -> None:
    first, again, other = (helen(archive, "train", 256, seed=seed) for seed in (0, 0, 1))
    assert len(first) == 3
    shares = [float((first[i][1] > 0).float().mean()) for i in range(3)]
    assert len(set(shares)) == 3
    for share in shares:  # the face fills its box, sides of 1 / (1 + margin), to a pixel of 256
        assert 1 / 1.7 - 1 / 256 < share**0.5 < 1 / 1.3 + 1 / 256
    for i in range(3):
        assert torch.equal(first[i][0], again[i][0])
        assert not torch.equal(first[i][0], other[i][0])


def test_sides_of_the_image_become_the_persons(archive: Path, drawn_face: Drawn) -> None:
    pixels, labels = drawn_face
    table = np.arange(11, dtype=np.uint8)
    table[[2, 3, 4, 5]] = 3, 2, 5, 4
    (archive / "other").mkdir()
    save(archive / "other", "9_1", (pixels, table[labels]))
    (archive / "other" / "testing.txt").write_text("1 , 9_1")
    found, expected = helen(archive / "other", "test", 40), helen(archive, "test", 40)
    assert torch.equal(found[0][1], expected[0][1])
    assert "left and right exchanged" in found.provenance
    assert "exchanged" not in expected.provenance


def spoil(root: Path, how: str) -> None:
    folder = root / "labels" / "x_1"
    match how:
        case "no image":
            (root / "images" / "x_1.jpg").unlink()
        case "truncated image":
            path = root / "images" / "x_1.jpg"
            path.write_bytes(path.read_bytes()[:-400])
        case "missing map":
            (folder / "x_1_lbl04.png").unlink()
        case "truncated map":
            path = folder / "x_1_lbl01.png"
            path.write_bytes(path.read_bytes()[:60])
        case "another size":
            Image.new("L", (80, 59)).save(folder / "x_1_lbl10.png")
        case "no face":
            Image.new("L", (80, 60)).save(folder / "x_1_lbl01.png")
        case "16 bits":
            Image.fromarray(np.zeros((60, 80), np.uint16)).save(folder / "x_1_lbl01.png")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no image", r"x_1\.jpg \(missing\)"),
        ("truncated image", r"x_1\.jpg \(.*truncated"),
        ("missing map", r"x_1_lbl04\.png \(missing\)"),
        ("truncated map", r"x_1 \(x_1_lbl01\.png: "),
        ("another size", r"x_1_lbl10\.png \(80 × 59 pixels, not 80 × 60\)"),
        ("no face", r"x_1 \(no face in it\)"),
        ("16 bits", r"x_1 \(x_1_lbl01\.png: not 8 bits per pixel\)"),
    ],
)
def test_what_is_broken_is_counted_and_named(
    archive: Path, drawn_face: Drawn, how: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(archive, "x_1", drawn_face)
    spoil(archive, how)
    (archive / "testing.txt").write_text("1 , 3_1\n2 , x_1\n")
    with pytest.raises(DataError, match=f"Helen test .* 1 of 2 images are broken: {words}"):
        helen(archive, "test", 16)
    (archive / "testing.txt").write_text("1 , 3_1\n" * 150 + "2 , x_1\n")
    with caplog.at_level(logging.WARNING):
        data = helen(archive, "test", 16)
    assert "1 of 151 images are broken: x_1" in caplog.text
    assert len(data) == 150
    assert "1 of 151 images left out as broken" in data.provenance


def test_a_map_that_breaks_later_stops_with_its_name(archive: Path) -> None:
    data = helen(archive, "test", 16)
    Image.new("L", (20, 20)).save(archive / "labels" / "3_1" / "3_1_lbl09.png")
    with pytest.raises(DataError, match=r"3_1\.jpg: 3_1_lbl09\.png has another size than"):
        data[0]


def test_a_map_whose_pixels_alone_are_damaged_is_named(archive: Path) -> None:
    path = archive / "labels" / "3_1" / "3_1_lbl09.png"
    content = bytearray(path.read_bytes())
    place = content.index(b"IDAT") + 6
    content[place : place + 9] = bytes(9)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"3_1\.jpg: 3_1_lbl09\.png: .*; get it again"):
        helen(archive, "test", 16)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("3_1\n", r"testing\.txt: line 1 is '3_1'; expected such as '1 , 232194_1'"),
        ("1 , 3_1\nx , 3_1\n", "line 2 is 'x , 3_1'"),
        ("1 , ../3_1\n", "line 1 is"),
        ("", "Helen test .*: holds no image"),
    ],
)
def test_damaged_lists_are_refused(archive: Path, content: str, words: str) -> None:
    (archive / "testing.txt").write_text(content)
    with pytest.raises(DataError, match=words):
        helen(archive, "test", 16)


def test_an_empty_folder_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"exemplars\.txt: cannot be read .* expected images/"):
        helen(tmp_path, "train", 16)
    with pytest.raises(DataError, match="no such folder; expected a folder with images/, labels/"):
        helen(tmp_path / "none", "train", 16)


def test_a_size_of_nothing_is_refused(archive: Path) -> None:
    with pytest.raises(DataError, match="size must be at least 1 pixel, not 0"):
        helen(archive, "test", 0)
