"""Digits are the same on any machine, in any order; balanced; learnable but not trivial."""

import pytest
import torch
from torch.utils.data import DataLoader

from mobilekit.core.errors import DataError
from mobilekit.data.digits import digits


def test_an_image_depends_on_seed_split_and_index_alone() -> None:
    few, many = digits("train", 20), digits("train", 700)
    for index in (0, 7, 19):
        assert torch.equal(few[index][0], many[index][0])
        assert few[index][1] == many[index][1]
    assert not torch.equal(few[0][0], digits("test", 20)[0][0])
    assert not torch.equal(few[0][0], digits("train", 20, seed=1)[0][0])


def test_workers_draw_the_same() -> None:
    data = digits("test", 40)
    alone = torch.cat([images for images, _ in DataLoader(data, 8)])
    together = torch.cat([images for images, _ in DataLoader(data, 8, num_workers=2)])
    assert torch.equal(alone, together)


def test_every_ten_images_have_each_digit_once() -> None:
    data = digits("train", 50)
    for first in range(0, 50, 10):
        assert sorted(int(data[i][1]) for i in range(first, first + 10)) == list(range(10))
    image, label = data[0]
    assert image.shape == (1, 28, 28)
    assert image.dtype == torch.float32
    assert 0 <= float(image.min()) < 0.5 < float(image.max()) <= 1
    assert data.labels_of(0) == {int(label)}
    assert "drawn here (seed 0, 50 train)" in data.provenance


def test_digits_differ_from_one_another_more_than_from_themselves() -> None:
    """The nearest mean of a thousand images finds far more than one in ten, and errs a lot."""
    learn, judge = digits("train", 1000), digits("test", 300)
    means = torch.zeros(10, 784)
    for i in range(len(learn)):
        means[int(learn[i][1])] += learn[i][0].flatten() / 100
    right = sum(
        int((means - judge[i][0].flatten()).norm(dim=1).argmin()) == int(judge[i][1])
        for i in range(len(judge))
    )
    assert 0.4 < right / len(judge) < 0.97


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(DataError, match="0"):
        digits("train", 0)
    with pytest.raises(DataError, match="valid"):
        digits("valid", 10)  # type: ignore[arg-type]
