"""CIFAR files written byte by byte."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilekit.core.errors import DataError
from mobilekit.data.formats import cifar10, cifar100

TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
HUNDRED = [f"fine{i}" for i in range(100)]


def record(heads: list[int], seed: int) -> bytes:
    """Labels, then all red pixels by rows, all green, all blue."""
    return bytes(heads) + picture(seed).transpose(2, 0, 1).tobytes()


def picture(seed: int) -> np.ndarray:
    """[32, 32, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    for batch in range(5):
        content = record([batch], 2 * batch) + record([9 - batch], 2 * batch + 1)
        (tmp_path / f"data_batch_{batch + 1}.bin").write_bytes(content)
    (tmp_path / "test_batch.bin").write_bytes(record([6], 99))
    (tmp_path / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    return tmp_path


@pytest.fixture
def hundred(tmp_path: Path) -> Path:
    (tmp_path / "train.bin").write_bytes(record([19, 99], 1) + record([0, 42], 2))
    (tmp_path / "test.bin").write_bytes(record([3, 7], 3))
    (tmp_path / "fine_label_names.txt").write_text("\n".join(HUNDRED) + "\n")
    return tmp_path


def test_the_batches_of_train_follow_each_other(ten: Path) -> None:
    data = cifar10(ten, "train")
    assert data.classes == tuple(TEN)
    assert [int(data[i][1]) for i in range(len(data))] == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    image, target = data[7]
    assert (image.dtype, image.shape) == (torch.float32, (3, 32, 32))
    assert target.dtype == torch.int64
    np.testing.assert_array_equal(np.rint(image.numpy().transpose(1, 2, 0) * 255), picture(7))


def test_test_is_the_test_batch(ten: Path) -> None:
    data = cifar10(ten, "test")
    assert len(data) == 1
    assert data.labels_of(0) == {6}
    np.testing.assert_array_equal(np.rint(data[0][0].numpy().transpose(1, 2, 0) * 255), picture(99))


def test_the_folder_as_unpacked_is_found(ten: Path, tmp_path: Path) -> None:
    below = tmp_path / "all" / "cifar-10-batches-bin"
    below.mkdir(parents=True)
    for name in [p.name for p in ten.iterdir() if p.is_file()]:
        (ten / name).rename(below / name)
    assert len(cifar10(tmp_path / "all", "train")) == 10


def test_cifar100_has_the_fine_labels(hundred: Path) -> None:
    data = cifar100(hundred, "train")
    assert data.classes == tuple(HUNDRED)
    assert [int(data[i][1]) for i in range(2)] == [99, 42]
    np.testing.assert_array_equal(np.rint(data[1][0].numpy().transpose(1, 2, 0) * 255), picture(2))
    assert int(cifar100(hundred, "test")[0][1]) == 7
    part = data.restricted(("fine42",))
    assert (len(part), int(part[0][1])) == (1, 0)


def test_the_python_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02.")
    with pytest.raises(DataError, match=r"python version .* never unpickled; get the binary version "
                       r"\(cifar-10-binary.tar.gz\)"):  # fmt: skip
        cifar10(tmp_path, "train")
    below = tmp_path / "cifar-100-python"
    below.mkdir()
    (below / "train").write_bytes(b"\x80\x02.")
    with pytest.raises(DataError, match=r"get the binary version \(cifar-100-binary.tar.gz\)"):
        cifar100(tmp_path, "test")


def test_missing_files_are_named(ten: Path) -> None:
    (ten / "data_batch_3.bin").unlink()
    (ten / "batches.meta.txt").unlink()
    with pytest.raises(DataError, match=r"data_batch_3.bin, batches.meta.txt missing; expected "
                       r"data_batch_1.bin … data_batch_5.bin, test_batch.bin and batches.meta.txt"):  # fmt: skip
        cifar10(ten, "train")
    with pytest.raises(
        DataError, match=r"no such folder; expected a folder with train.bin, test.bin"
    ):
        cifar100(ten / "none", "train")
    with pytest.raises(DataError, match="train or test, not 'val'"):
        cifar10(ten, "val")  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", record([1], 1)[:-1], record([1], 1) + b"\0"])
def test_a_truncated_batch_is_refused(ten: Path, content: bytes) -> None:
    (ten / "data_batch_2.bin").write_bytes(content)
    with pytest.raises(
        DataError, match=r"data_batch_2.bin: holds [\d,]+ bytes, .*records of 3,073"
    ):
        cifar10(ten, "train")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n".join(TEN[:9]), "holds 9 names of classes, not 10"),
        ("\n".join([*TEN[:9], "cat"]), "holds 9 names"),
        ("\n".join([*TEN, "more"]), "holds 11 names"),
    ],
)
def test_another_number_of_names_is_refused(ten: Path, text: str, words: str) -> None:
    (ten / "batches.meta.txt").write_text(text)
    with pytest.raises(DataError, match=words):
        cifar10(ten, "test")


def test_names_that_are_no_text_are_refused(ten: Path) -> None:
    (ten / "batches.meta.txt").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(DataError, match=r"batches.meta.txt: cannot be read"):
        cifar10(ten, "test")


def test_a_batch_that_may_not_be_read_is_refused(
    ten: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path, kind: type) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(np, "fromfile", forbidden)
    with pytest.raises(DataError, match=r"test_batch.bin: cannot be read \(.*Permission denied"):
        cifar10(ten, "test")


@pytest.mark.parametrize("wrong", [[20, 5], [5, 100], [255, 255]])
def test_labels_out_of_range(
    hundred: Path, wrong: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    sound = b"".join(record([1, i], i) for i in range(99))
    (hundred / "train.bin").write_bytes(record(wrong, 0) + sound)
    with caplog.at_level(logging.WARNING):
        data = cifar100(hundred, "train")
    assert f"1 of 100 images are broken: number 0 (label {wrong[1]})" in caplog.text
    assert [int(data[i][1]) for i in range(len(data))] == list(range(99))
    (hundred / "train.bin").write_bytes(record(wrong, 0) * 2 + sound)
    with pytest.raises(DataError, match="2 of 101 images are broken"):
        cifar100(hundred, "train")
