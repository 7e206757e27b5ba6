"""MNIST files written byte by byte."""

import gzip
import logging
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilekit.core.errors import DataError
from mobilekit.data.formats import mnist
from mobilekit.data.formats.idx import read_idx

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def images_file(pixels: np.ndarray) -> bytes:
    return struct.pack(">4I", 2051, *pixels.shape) + pixels.tobytes()


def labels_file(labels: list[int]) -> bytes:
    return struct.pack(">2I", 2049, len(labels)) + bytes(labels)


def drawn(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / IMAGES).write_bytes(images_file(drawn(4)))
    (tmp_path / LABELS).write_bytes(labels_file([3, 0, 9, 3]))
    return tmp_path


def test_images_and_labels_come_as_they_were_written(folder: Path) -> None:
    data = mnist(folder, "train")
    assert data.task == "classification"
    assert data.classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert len(data) == 4
    for index, label in enumerate([3, 0, 9, 3]):
        image, target = data[index]
        assert image.shape == (1, 28, 28)
        assert image.dtype == torch.float32
        np.testing.assert_array_equal(np.rint(image[0].numpy() * 255), drawn(4)[index])
        assert (target.dtype, target.shape, int(target)) == (torch.int64, (), label)
    assert data[0][0].max() <= 1
    assert "4 images" in data.provenance
    with pytest.raises(IndexError):
        data[4]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", ["", "raw", "MNIST/raw"])
@pytest.mark.parametrize("names", ["t10k-images-idx3-ubyte t10k-labels-idx1-ubyte",
                                   "t10k-images.idx3-ubyte t10k-labels.idx1-ubyte"])  # fmt: skip
def test_spellings_folders_and_gzip(tmp_path: Path, names: str, below: str, packed: bool) -> None:
    place = tmp_path / below
    place.mkdir(parents=True, exist_ok=True)
    contents = images_file(drawn(2)), labels_file([7, 1])
    for name, content in zip(names.split(), contents, strict=True):
        if packed:
            (place / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (place / name).write_bytes(content)
    data = mnist(tmp_path, "test")
    assert [int(data[i][1]) for i in range(2)] == [7, 1]


def test_a_class_is_kept_without_reading_an_image(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = mnist(folder, "train")
    with monkeypatch.context() as patch:
        patch.setattr(type(data.images), "__getitem__", None)
        part = data.restricted(("9", "3"))
    assert part.classes == ("9", "3")
    assert [int(part[i][1]) for i in range(len(part))] == [1, 0, 1]
    np.testing.assert_array_equal(part[1][0], data[2][0])


def test_a_missing_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder; expected .*train-images-idx3-ubyte"):
        mnist(tmp_path / "none", "train")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file; expected a folder"):
        mnist(tmp_path / "file", "train")


def test_another_split_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"train or test, not 'tests' Did you mean test\?"):
        mnist(folder, "tests")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [IMAGES, LABELS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        mnist(folder, "train")


def test_the_test_files_are_not_those_of_train(folder: Path) -> None:
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte is missing"):
        mnist(folder, "test")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with nothing"),
        (labels_file([1]), "begins with 00000801, .* 3 dimensions with 00000803"),
        (struct.pack(">4I", 0x0D03, 4, 28, 28), "begins with 00000d03"),
        (struct.pack(">3I", 2051, 4, 28), "truncated in its header"),
        (images_file(drawn(4))[:-1], "says 3,136 values, the file holds only 3,135"),
        (images_file(drawn(4)) + b"\0", "the file holds more"),
        (struct.pack(">4I", 2051, 2**32 - 1, 2**32 - 1, 28) + b"1", "holds only 1;"),
        (gzip.compress(images_file(drawn(4)))[:-40], "cannot be read .*end-of-stream"),
        (b"\x1f\x8b" + b"\0" * 20, "cannot be read"),
        (images_file(drawn(3)), "3 images, but train-labels-idx1-ubyte has 4 labels"),
        (images_file(drawn(4)[:, :, :27].copy()), "28 × 27 pixels, not 28 × 28"),
    ],
)
def test_a_damaged_file_is_refused(folder: Path, content: bytes, words: str) -> None:
    (folder / IMAGES).write_bytes(content)
    with pytest.raises(DataError, match=f"{IMAGES}: .*{words}"):
        mnist(folder, "train")


def test_a_damaged_gzip_stream_is_refused(folder: Path) -> None:
    content = bytearray(gzip.compress(images_file(drawn(4))))
    content[200:260] = bytes(60)
    (folder / IMAGES).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        mnist(folder, "train")


def test_no_image_is_refused(folder: Path) -> None:
    (folder / IMAGES).write_bytes(images_file(drawn(0)))
    (folder / LABELS).write_bytes(labels_file([]))
    with pytest.raises(DataError, match="0 images"):
        mnist(folder, "train")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read .*; get it again"):
        read_idx(tmp_path, 3)


def test_few_labels_out_of_range_are_left_out_with_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = [index % 10 for index in range(200)]
    labels[5], labels[150] = 10, 255
    pixels = drawn(200)
    (folder / IMAGES).write_bytes(images_file(pixels))
    (folder / LABELS).write_bytes(labels_file(labels))
    with caplog.at_level(logging.WARNING):
        data = mnist(folder, "train")
    assert "2 of 200 images are broken: number 5 (label 10), number 150 (label 255)" in caplog.text
    assert "2 of 200 images left out as broken" in data.provenance
    kept = [i for i in range(200) if i not in {5, 150}]
    assert [int(data[i][1]) for i in range(len(data))] == [labels[i] for i in kept]
    np.testing.assert_array_equal(np.rint(data[5][0][0].numpy() * 255), pixels[6])


def test_many_labels_out_of_range_are_refused(folder: Path) -> None:
    (folder / IMAGES).write_bytes(images_file(drawn(200)))
    (folder / LABELS).write_bytes(labels_file([11] * 3 + [1] * 197))
    with pytest.raises(DataError, match=r"3 of 200 images are broken: .*at most 1% may be"):
        mnist(folder, "train")
