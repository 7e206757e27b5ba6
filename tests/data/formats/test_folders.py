"""Folders of images written by Pillow; the pixels that come back are computed here."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mobilekit.core.errors import DataError
from mobilekit.data.formats import image_folder
from mobilekit.data.formats.pictures import fault

CALTECH = {"accordion": 30, "ant": 20, "BACKGROUND_Google": 10, "zebra": 25}


def save(path: Path, colour: tuple[int, int, int] = (200, 100, 50), width: int = 12) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, 8), colour).save(path)
    return path


@pytest.fixture
def caltech(tmp_path: Path) -> Path:
    for name, count in CALTECH.items():
        for index in range(count):
            save(tmp_path / "101_ObjectCategories" / name / f"image_{index + 1:04d}.jpg")
    return tmp_path


@pytest.fixture
def dogs(tmp_path: Path) -> Path:
    for index in range(60):
        save(tmp_path / f"cat.{index}.jpg", (250, 0, 0))
        save(tmp_path / f"dog.{index}.jpg", (0, 0, 250))
    return tmp_path


def counts(data) -> dict[str, int]:
    labels = [next(iter(data.labels_of(i))) for i in range(len(data))]
    return {name: labels.count(number) for number, name in enumerate(data.classes)}


def names(data) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path, _ in data.images._files}


def test_both_splits_make_the_whole_without_the_background(caltech: Path) -> None:
    train, test = image_folder(caltech, "train", 4), image_folder(caltech, "test", 4)
    assert train.classes == test.classes == ("accordion", "ant", "zebra")
    both = {name: counts(train)[name] + counts(test)[name] for name in train.classes}
    assert both == {"accordion": 30, "ant": 20, "zebra": 25}
    assert not names(train) & names(test)
    # 75 images at share 0.8: 60 expected, standard deviation 3.5; five of them either way.
    assert 43 <= len(train) <= 75
    assert len(test) > 0


def test_the_folder_itself_gives_the_same_split(caltech: Path) -> None:
    inner = image_folder(caltech / "101_ObjectCategories", "train", 4)
    assert names(inner) == names(image_folder(caltech, "train", 4))


def test_the_split_depends_on_name_and_seed_alone(caltech: Path) -> None:
    before = names(image_folder(caltech, "test", 4))
    assert names(image_folder(caltech, "test", 4, seed=1)) != before
    for index in range(40):
        save(caltech / "101_ObjectCategories" / "ant" / f"later_{index}.jpg")
    after = names(image_folder(caltech, "test", 4))
    assert {name for name in after if "later" not in name} == before
    assert len(after) > len(before)


def test_a_larger_share_keeps_what_was_in_train(caltech: Path) -> None:
    half, most = (image_folder(caltech, "train", 4, share=share) for share in (0.5, 0.9))
    assert names(half) < names(most)


def test_names_with_accents_split_alike_however_they_are_spelled(tmp_path: Path) -> None:
    composed, apart = "caf\u00e9", "cafe\u0301"
    for index in range(40):
        save(tmp_path / "one" / composed / f"{index}.png")
        save(tmp_path / "two" / apart / f"{index}.png")
    one, two = (image_folder(tmp_path / name, "train", 4) for name in ("one", "two"))
    assert {n.split("/")[1] for n in names(one)} == {n.split("/")[1] for n in names(two)}


def test_flat_names_tell_the_class(dogs: Path) -> None:
    train, test = image_folder(dogs, "train", 4), image_folder(dogs, "test", 4)
    assert train.classes == ("cat", "dog")
    assert len(train) + len(test) == 120
    for index in range(len(test)):
        image, target = test[index]
        red, _, blue = image.mean((1, 2)).tolist()
        assert int(target) == int(blue > red)


def test_images_are_resized_on_the_short_side_and_cut_in_the_centre(tmp_path: Path) -> None:
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 4:12] = (255, 127, 0)  # the centre; a stretched image would show the black sides
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / split / "a" / "1.png")
    image, target = image_folder(tmp_path, "train", 8)[0]
    assert (image.dtype, image.shape) == (torch.float32, (3, 8, 8))
    assert (target.dtype, target.shape) == (torch.int64, ())
    expected = np.float32([1, 127 / 255, 0])
    np.testing.assert_array_equal(
        image.numpy(), np.broadcast_to(expected[:, None, None], (3, 8, 8))
    )
    half = image_folder(tmp_path, "train", 4)[0][0]
    np.testing.assert_array_equal(half[:, 1:3, 1:3].numpy(), image[:, :2, :2].numpy())


def test_photographs_are_turned_upright_and_gray_ones_get_three_channels(tmp_path: Path) -> None:
    levels = np.zeros((8, 8), np.uint8)
    levels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.fromarray(levels).save(tmp_path / split / "a" / "1.jpg", exif=exif, quality=95)
        wide = Image.fromarray(levels.astype(np.uint16) * 257)
        wide.save(tmp_path / split / "a" / "2.png")
        see_through = Image.fromarray(levels).convert("P")
        see_through.save(tmp_path / split / "a" / "3.png", transparency=bytes([0, 9]))
    data = image_folder(tmp_path, "train", 8)
    turned, wide, indexed = (data[i][0] for i in range(3))
    assert turned.shape == wide.shape == (3, 8, 8)
    assert turned[:, :3].max() < 0.1
    assert turned[:, 5:].min() > 0.9
    for image in (wide, indexed):
        np.testing.assert_array_equal(np.rint(image[0].numpy() * 255), levels)


def test_large_photographs_decoded_smaller_look_the_same(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 512).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (512, 1)), np.tile(ramp[:, None], (1, 512))], 2)
    pixels = np.concatenate([pixels, pixels[:, :, :1]], 2)
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / split / "a" / "1.jpg", quality=95)
    found = image_folder(tmp_path, "train", 32)[0][0].numpy() * 255
    expected = pixels.reshape(32, 16, 32, 16, 3).mean((1, 3)).transpose(2, 0, 1)
    # JPEG at 95 is within 2 levels on a ramp; bilinear weights and the edge move it by half a step (8 / 2).
    assert np.abs(found - expected).max() < 6


@pytest.mark.parametrize("held_back", ["test", "val"])
def test_a_data_set_that_comes_divided_stays_so(tmp_path: Path, held_back: str) -> None:
    for index in range(5):
        save(tmp_path / "train" / "a" / f"{index}.png")
        save(tmp_path / "train" / "b" / f"{index}.png")
    save(tmp_path / held_back / "b" / "9.png")
    train, test = image_folder(tmp_path, "train", 4), image_folder(tmp_path, "test", 4)
    assert (train.classes, len(train)) == (("a", "b"), 10)
    assert (test.classes, len(test), int(test[0][1])) == (("a", "b"), 1, 1)


def test_test_goes_before_val_and_must_have_the_classes_of_train(tmp_path: Path) -> None:
    save(tmp_path / "train" / "a" / "1.png")
    save(tmp_path / "val" / "a" / "1.png")
    save(tmp_path / "test" / "c" / "1.png")
    with pytest.raises(DataError, match="test has c, which train has not"):
        image_folder(tmp_path, "test", 4)


def test_train_without_test_is_not_taken_for_a_class(tmp_path: Path) -> None:
    save(tmp_path / "train" / "cat.0.jpg")
    save(tmp_path / "test1" / "1.jpg")
    with pytest.raises(
        DataError, match=r"has train/, but neither test/ nor val/; give .*train, which"
    ):
        image_folder(tmp_path, "train", 4)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for index in range(20):
        save(tmp_path / "train" / f"image_{index}.jpg")
        save(tmp_path / "boat" / f"image_{index}.jpg")
    assert image_folder(tmp_path, "train", 4).classes == ("boat", "train")


def test_chosen_classes_are_numbered_as_given(caltech: Path) -> None:
    data = image_folder(caltech, "train", 4, classes=("zebra", "ant"))
    assert data.classes == ("zebra", "ant")
    whole = image_folder(caltech, "train", 4)
    assert counts(data) == {name: counts(whole)[name] for name in ("zebra", "ant")}
    part = whole.restricted(("zebra", "ant"))
    assert counts(part) == counts(data)


def test_a_class_is_kept_without_reading_an_image(
    caltech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = image_folder(caltech, "train", 4)
    monkeypatch.setattr(type(data.images), "__getitem__", None)
    part = data.restricted(("ant",))
    assert len(part) == counts(data)["ant"] > 0


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("zebr",), r"has no class zebr\. Did you mean zebra\? It has accordion, ant, zebra"),
        (("BACKGROUND_Google",), "has no class BACKGROUND_Google"),
        (("ant", "ant"), "each once; found ant, ant"),
        ((), "at least one class, each once; found none"),
    ],
)
def test_unknown_classes_are_refused(caltech: Path, classes: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        image_folder(caltech, "train", 4, classes=classes)


def test_options_out_of_range_are_refused(caltech: Path) -> None:
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(DataError, match="share must lie between 0 and 1"):
            image_folder(caltech, "train", 4, share=share)
    with pytest.raises(DataError, match="size must be at least 1 pixel, not 0"):
        image_folder(caltech, "train", 0)
    with pytest.raises(
        DataError, match="no such folder; expected a folder with one folder of images"
    ):
        image_folder(caltech / "none", "train", 4)


def test_folders_without_a_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image of a class; expected one folder"):
        image_folder(tmp_path, "train", 4)
    for index in range(200):
        save(tmp_path / "a" / f"{index}.png")
    (tmp_path / "notes").mkdir()
    (tmp_path / ".git").mkdir()
    with pytest.raises(
        DataError, match="no image in notes; if it is no class, move the folder away"
    ):
        image_folder(tmp_path, "train", 4)


def test_a_split_without_an_image_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png")
    found = 0
    for split in ("train", "test"):
        try:
            found += len(image_folder(tmp_path, split, 4))  # type: ignore[arg-type]
        except DataError as problem:
            assert "no image of a falls into this split" in str(problem)  # noqa: PT017
    assert found == 1


def test_a_class_without_an_image_in_the_split_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for index in range(40):
        save(tmp_path / "many" / f"{index}.png")
    save(tmp_path / "single" / "1.png")
    with caplog.at_level(logging.WARNING):
        parts = [image_folder(tmp_path, split, 4) for split in ("train", "test")]
    assert sum(counts(part)["single"] for part in parts) == 1
    assert caplog.text.count("no image of single") == 1


def broken_files() -> list[tuple[str, bytes, str]]:
    whole = b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            bytes.fromhex("0000000d49484452000000040000000408020000002693092900"),
        ]
    )
    return [("empty.jpg", b"", "no image"), ("text.jpg", b"<html>", "no image"),
            ("head.png", whole, "")]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "words"), broken_files())
def test_few_unreadable_images_are_left_out_with_a_warning(
    dogs: Path, name: str, content: bytes, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    for part in ("train", "test"):
        for index in range(150):
            save(dogs / "set" / part / "a" / f"{index}.png")
    (dogs / "set" / "train" / "a" / name).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        data = image_folder(dogs / "set", "train", 4)
    assert f"1 of 151 images are broken: {name} ({words}" in caplog.text
    assert len(data) == 150
    assert "1 of 151 images left out as broken" in data.provenance
    (dogs / "set" / "train" / "a" / f"2{name}").write_bytes(content)
    with pytest.raises(DataError, match="2 of 152 images are broken"):
        image_folder(dogs / "set", "train", 4)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_a_truncated_image_is_found(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    noise[:32] = 0  # the last rows of a BMP, which has them upside down
    Image.fromarray(noise).save(whole)
    cut.write_bytes(whole.read_bytes()[:-500])
    assert fault(whole) is None
    assert (fault(cut) or "").startswith(f"cut.{suffix} (")


def test_formats_that_are_for_no_photograph_are_not_opened(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    assert fault(tmp_path / "a.jpg") == "a.jpg (no image)"
    Image.new("RGB", (4, 4)).save(tmp_path / "b.gif")
    (tmp_path / "b.gif").rename(tmp_path / "b.jpg")
    assert fault(tmp_path / "b.jpg") is None


def test_what_follows_the_end_of_a_photograph_does_no_harm(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes() + bytes(500))
    assert fault(path) is None


def test_images_of_no_class_count_as_broken(dogs: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(dogs / "holiday.jpg")
    with caplog.at_level(logging.WARNING):
        assert "1 of 121 images left out" in image_folder(dogs, "train", 4).provenance
    assert "holiday.jpg (not called like cat.123.jpg)" in caplog.text
    for index in range(9):
        save(dogs / f"holiday{index}.jpg")
    with pytest.raises(DataError, match="10 of 130 images are broken"):
        image_folder(dogs, "train", 4)


def test_loose_images_beside_folders_count_as_broken(
    caltech: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = caltech / "101_ObjectCategories"
    for index in range(200):
        save(root / "ant" / f"more_{index}.jpg")
    save(root / "loose.jpg")
    with caplog.at_level(logging.WARNING):
        image_folder(caltech, "train", 4)
    assert "loose.jpg (in no folder of a class)" in caplog.text


def test_files_that_are_no_images_are_named(
    caltech: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (caltech / "101_ObjectCategories" / "ant" / "Thumbs.db").write_bytes(b"x")
    with caplog.at_level(logging.WARNING):
        data = image_folder(caltech, "train", 4)
    assert "1 files are no images by their suffix and are left out: Thumbs.db" in caplog.text
    assert not any("Thumbs" in name for name in names(data))


def test_an_image_that_breaks_later_is_named(dogs: Path) -> None:
    data = image_folder(dogs, "train", 4)
    path, _ = data.images._files[0]  # type: ignore[attr-defined]
    path.write_bytes(b"")
    with pytest.raises(
        DataError, match=f"{path.name}: cannot be read .*; get it again, or remove it"
    ):
        data[0]
    path.unlink()
    with pytest.raises(DataError, match="missing"):
        data[0]
