"""Shards hold what the data set gives, whole or not at all, and are taken up."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from mobilekit.core.errors import DataError, OutputError
from mobilekit.data import shards
from mobilekit.data.digits import digits
from mobilekit.data.shapes import shapes
from mobilekit.data.shards import cached
from mobilekit.data.task import Labelled, Sample


class Counted(Dataset[Sample]):
    """A data set that counts what is asked of it."""

    def __init__(self, data: Labelled, fail_at: int | None = None) -> None:
        self.data, self.asked, self.fail_at = data, 0, fail_at

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        if index == self.fail_at:
            raise KeyboardInterrupt
        self.asked += 1
        return self.data[index]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD", 4)


@pytest.mark.parametrize("data", [digits("train", 10), shapes("segmentation", "test", 9)])
def test_images_are_read_back_with_the_same_bits(data: Labelled, tmp_path: Path) -> None:
    kept = cached(data, tmp_path)
    assert len(kept) == len(data)
    assert (kept.task, kept.classes, kept.provenance) == (data.task, data.classes, data.provenance)
    for index in (0, 3, 4, len(data) - 1, -1):
        image, target = data[index]
        found, right = kept[index]
        assert torch.equal(found, image)
        assert torch.equal(torch.as_tensor(right), torch.as_tensor(target))
        assert kept.labels_of(index) == data.labels_of(index)
    with pytest.raises(IndexError):
        kept[len(data)]
    batch = next(iter(DataLoader(kept, batch_size=len(data), num_workers=1)))
    assert torch.equal(batch[0][-1], data[-1][0])


def test_images_are_drawn_once(tmp_path: Path) -> None:
    counted = Counted(digits("train", 10))
    data = replace(digits("train", 10), images=counted)
    told: list[str] = []
    cached(data, tmp_path, told.append)
    asked = counted.asked
    assert asked == 11  # the first one says whose shards they are
    cached(data, tmp_path)
    assert counted.asked == asked + 1
    assert len(told) == 3


def test_what_a_stopped_run_has_drawn_is_taken_up(tmp_path: Path) -> None:
    whole = digits("train", 10)
    stopped = replace(whole, images=Counted(whole, fail_at=6))
    with pytest.raises(KeyboardInterrupt):
        cached(stopped, tmp_path)
    (place,) = tmp_path.iterdir()
    assert not (place / "index.json").exists()
    assert sorted(path.name for path in place.iterdir()) == [
        "images-00000.npy",
        "targets-00000.npy",
    ]
    counted = Counted(whole)
    kept = cached(replace(whole, images=counted), tmp_path)
    assert counted.asked == 1 + 6
    assert torch.equal(kept[2][0], whole[2][0])
    assert torch.equal(kept[9][0], whole[9][0])


def test_other_data_have_other_shards(tmp_path: Path) -> None:
    cached(digits("train", 5), tmp_path)
    cached(digits("test", 5), tmp_path)
    cached(digits("train", 5, seed=1), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_pixels_between_bytes_stay_as_they_are(tmp_path: Path) -> None:
    whole = digits("train", 3)
    half = [(image * 0.333, target) for image, target in (whole[index] for index in range(3))]
    kept = cached(replace(whole, images=half), tmp_path)
    assert torch.equal(kept[1][0], half[1][0])


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        cached(digits("train", 5), tmp_path)
    (place,) = tmp_path.iterdir()
    assert list(place.iterdir()) == []


def test_damaged_shards_and_boxes(tmp_path: Path) -> None:
    data = digits("train", 5)
    cached(data, tmp_path)
    (place,) = tmp_path.iterdir()
    (place / "images-00001.npy").write_bytes(b"no array")
    kept = cached(data, tmp_path)
    assert kept[0][0].shape == (1, 28, 28)
    with pytest.raises(DataError, match=r"images-00001.npy: is damaged; delete"):
        kept[4]
    (place / "index.json").write_text("{")
    with pytest.raises(DataError, match=r"index.json: is damaged"):
        cached(data, tmp_path)
    with pytest.raises(DataError, match="boxes are not cached"):
        cached(shapes("detection", "train", 2), tmp_path)


def test_images_of_several_sizes(tmp_path: Path) -> None:
    some = [(torch.zeros(1, size, size), torch.tensor(0)) for size in (4, 5)]
    with pytest.raises(DataError, match="only those of one size"):
        cached(replace(digits("train", 2), images=some), tmp_path)


def test_files_that_changed_have_shards_of_their_own(tmp_path: Path) -> None:
    source, kept = tmp_path / "images", tmp_path / "shards"
    (source / "one").mkdir(parents=True)
    (source / "one" / "a.png").write_bytes(b"a")
    data = digits("train", 5)
    cached(data, kept, source=source)
    cached(data, kept, source=source)
    assert len(list(kept.iterdir())) == 1
    (source / "two").mkdir()
    (source / "one" / "a.png").rename(source / "two" / "a.png")  # another class, as many images
    cached(data, kept, source=source)
    assert len(list(kept.iterdir())) == 2
    os.utime(source / "two" / "a.png", ns=(0, 0))
    cached(data, kept, source=source)
    assert len(list(kept.iterdir())) == 3
