"""A tiny LaPa, written as it is published."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilekit.core.errors import DataError
from mobilekit.data.catalog import (
    CelebAMaskHqConfig,
    DataConfig,
    HelenConfig,
    LapaConfig,
    open_data,
)
from mobilekit.data.face_labels import FACE_LABELS
from mobilekit.data.formats import celebamask_hq, helen, lapa

Drawn = tuple[np.ndarray, np.ndarray]
# Landmarks whose box is (24, 20, 48, 44).
POINTS = [(24 + 24 * (n % 2), 20 + 24 * (n // 2 % 2)) for n in range(106)]


def written(points: list[tuple[float, float]], count: int = 106) -> str:
    return f"{count}\n" + "".join(f"{x} {y}\n" for x, y in points)


def save(root: Path, name: str, face: Drawn) -> None:
    pixels, labels = face
    for folder in ("images", "labels", "landmarks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(root / "images" / f"{name}.jpg", quality=98, subsampling=0)
    Image.fromarray(labels).save(root / "labels" / f"{name}.png")
    (root / "landmarks" / f"{name}.txt").write_text(written(POINTS))


@pytest.fixture
def archive(tmp_path: Path, drawn_face: Drawn) -> Path:
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        for number in range(count):
            save(tmp_path / split, f"{number}", drawn_face)
    return tmp_path


def test_the_crop_is_around_the_landmarks(archive: Path, drawn_face: Drawn) -> None:
    assert len(lapa(archive, "train", 36)) == 3
    data = lapa(archive, "test", 36)
    assert (data.task, data.classes, len(data)) == ("segmentation", FACE_LABELS, 2)
    image, target = data[1]
    # Sides of 24 and 50 %: 36 pixels from (18, 14) on.
    pixels, labels = drawn_face
    expected = np.where(labels == 10, 0, labels)[14:50, 18:54]
    np.testing.assert_array_equal(target.numpy(), expected)
    shown = pixels[14:50, 18:54].transpose(2, 0, 1) / 255
    assert np.abs(image.numpy() - shown).max() < 0.03  # JPEG at 98 on ramps


@pytest.mark.parametrize(
    ("config", "reader"),
    [(LapaConfig, lapa), (HelenConfig, helen), (CelebAMaskHqConfig, celebamask_hq)],
)
def test_a_configuration_calls_its_reader(
    archive: Path, config: Callable[..., DataConfig], reader: Callable[..., object]
) -> None:
    def outcome(action: Callable[[], object]) -> str:
        try:
            data = action()
        except DataError as problem:
            return str(problem)
        return f"{data.provenance} {data[0][0].shape} {data[0][0].sum()}"

    direct = outcome(lambda: reader(archive, "train", 24, seed=5))
    assert outcome(lambda: open_data(config(str(archive), size=24, seed=5))[0]) == direct


def test_labels_with_a_palette_are_their_numbers(archive: Path, drawn_face: Drawn) -> None:
    expected = lapa(archive, "test", 36)[0][1]
    indexed = Image.fromarray(drawn_face[1]).convert("L")
    indexed.putpalette([value for n in range(256) for value in (255 - n, n * 7 % 256, n)])
    indexed.save(archive / "test" / "labels" / "0.png")
    np.testing.assert_array_equal(lapa(archive, "test", 36)[0][1], expected)


def test_large_photographs_are_decoded_smaller_and_look_the_same(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:800, :1000]
    pixels = np.stack([columns // 4, rows // 4, 0 * rows], 2).astype(np.uint8)
    labels = np.ones((800, 1000), np.uint8)
    save(tmp_path / "test", "0", (pixels, labels))
    points = [(x * 10, y * 10) for x, y in POINTS]
    (tmp_path / "test" / "landmarks" / "0.txt").write_text(written(points))
    found = lapa(tmp_path, "test", 36)[0][0].numpy() * 255
    expected = pixels[140:500, 180:540].reshape(36, 10, 36, 10, 3).mean((1, 3)).transpose(2, 0, 1)
    # JPEG at 98, a whole-number ramp and a decoder that averages: within 2 of 255 levels.
    assert np.abs(found - expected).max() < 2


LANDMARKS = {
    "few landmarks": written(POINTS[:105]),
    "words": "106\nx y\n",
    "not finite": written([*POINTS[:105], (float("nan"), 1)]),
    "one place": written([(30, 30)] * 106),
    "vast": written([(x * 1e9, y * 1e9) for x, y in [(-1, 0), *POINTS[1:]]]),
    "outside": written([(x + 500, y) for x, y in POINTS]),
}
MISSING = {
    "no labels": "labels/x.png",
    "no image": "images/x.jpg",
    "no landmarks": "landmarks/x.txt",
}


def spoil(root: Path, how: str) -> None:
    labels = root / "labels" / "x.png"
    if how in LANDMARKS:
        (root / "landmarks" / "x.txt").write_text(LANDMARKS[how])
    elif how in MISSING:
        (root / MISSING[how]).unlink()
    elif how == "unknown label":
        Image.fromarray(np.full((60, 80), 11, np.uint8)).save(labels)
    elif how == "another size":
        Image.new("L", (40, 30)).save(labels)
    else:
        labels.write_bytes(labels.read_bytes()[:-30])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("unknown label", r"x \(unknown label 11; the highest is 10\)"),
        ("another size", r"x\.jpg \(80 × 60 pixels, not 40 × 30\)"),
        ("truncated labels", r"x \(x\.png: "),
        ("no labels", r"x \(x\.png: missing\)"),
        ("no image", r"x\.jpg \(has labels, but the image is missing\)"),
        ("no landmarks", r"x \(landmarks/x\.txt is missing\)"),
        ("few landmarks", r"x \(landmarks/x\.txt holds no 106 points\)"),
        ("words", r"x \(landmarks/x\.txt holds no numbers\)"),
        ("not finite", r"x \(landmarks/x\.txt holds no 106 points\)"),
        ("one place", r"x \(no face in it: its box is smaller than a pixel\)"),
        ("outside", r"x \(no face in it: its box lies outside\)"),
        ("vast", r"x \(no face in it: its box is far larger than the image\)"),
    ],
)
def test_what_is_broken_is_counted_and_named(
    archive: Path, drawn_face: Drawn, how: str, words: str
) -> None:
    save(archive / "test", "x", drawn_face)
    spoil(archive / "test", how)
    with pytest.raises(DataError, match=f"LaPa test .* 1 of 3 images are broken: {words}"):
        lapa(archive, "test", 16)


def test_few_broken_ones_are_left_out(
    archive: Path, drawn_face: Drawn, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        save(archive / "test", f"more{number}", drawn_face)
    (archive / "test" / "landmarks" / "1.txt").unlink()
    with caplog.at_level("WARNING"):
        data = lapa(archive, "test", 16)
    assert "1 of 102 images are broken: 1 (landmarks/1.txt is missing)" in caplog.text
    assert len(data) == 101


def test_missing_folders_are_named(archive: Path, tmp_path: Path) -> None:
    for place in (archive / "test" / "landmarks").iterdir():
        place.unlink()
    (archive / "test" / "landmarks").rmdir()
    with pytest.raises(DataError, match="test/landmarks missing; expected train/ and test/"):
        lapa(archive, "test", 16)
    for folder in ("images", "labels", "landmarks"):
        (tmp_path / "empty" / "train" / folder).mkdir(parents=True)
    with pytest.raises(DataError, match="LaPa train in empty: holds no image"):
        lapa(tmp_path / "empty", "train", 16)


def test_labels_that_change_later_stop_with_their_name(archive: Path) -> None:
    data = lapa(archive, "test", 16)
    Image.fromarray(np.full((60, 80), 77, np.uint8)).save(archive / "test" / "labels" / "0.png")
    with pytest.raises(DataError, match=r"0\.jpg: unknown label 77; .* or remove it"):
        data[0]
