"""Shapes are the same on any machine and in any order; masks and boxes are exact."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision.ops import masks_to_boxes

from mobilekit.core.errors import DataError
from mobilekit.data.shapes import shapes

TASKS = ("classification", "segmentation", "detection")


@pytest.mark.parametrize("task", TASKS)
def test_an_image_depends_on_seed_split_and_index_alone(task) -> None:
    few, many = shapes(task, "train", 10), shapes(task, "train", 30)
    later = [many[index][0] for index in (9, 3)]  # in another order
    assert torch.equal(later[0], few[9][0])
    assert torch.equal(later[1], few[3][0])
    assert not torch.equal(few[0][0], shapes(task, "test", 10)[0][0])
    assert not torch.equal(few[0][0], shapes(task, "train", 10, seed=1)[0][0])


def test_workers_draw_the_same() -> None:
    data = shapes("classification", "test", 24)
    alone = torch.cat([images for images, _ in DataLoader(data, 8)])
    together = torch.cat([images for images, _ in DataLoader(data, 8, num_workers=2)])
    assert torch.equal(alone, together)
    assert 0 <= float(alone.min()) <= float(alone.max()) <= 1


def test_every_ten_images_show_each_class_once() -> None:
    data = shapes("classification", "train", 30)
    for first in (0, 10, 20):
        assert sorted(int(data[i][1]) for i in range(first, first + 10)) == list(range(10))
    assert len(data.classes) == 10


@pytest.mark.parametrize("size", [32, 48])
def test_boxes_are_those_of_the_masks(size: int) -> None:
    """Detection and segmentation of one key are other images, so the boxes are looked at by their labels."""
    data = shapes("detection", "train", 40, size)
    for index in range(40):
        _, target = data[index]
        boxes, labels = target["boxes"], target["labels"]
        assert 1 <= len(boxes) == len(labels) <= 4
        assert bool((boxes[:, 2:] > boxes[:, :2]).all())
        assert float(boxes.min()) >= 0
        assert float(boxes.max()) <= size
        assert data.labels_of(index) == set(labels.tolist())
        assert 1 <= int(labels.min()) <= int(labels.max()) <= 10
        assert np.array_equal(boxes.numpy(), boxes.round().numpy())  # whole pixels


@pytest.mark.parametrize("size", [32, 48])
def test_each_box_is_tight_around_a_mask_of_its_own(size: int) -> None:
    data = shapes("detection", "train", 40, size)
    for index in range(40):
        _, target = data[index]
        masks = target["masks"]
        assert masks.dtype == torch.uint8
        assert masks.shape == (len(target["labels"]), size, size)
        assert int(masks.sum(0).max()) == 1  # each pixel shows one figure at most
        assert torch.equal(masks_to_boxes(masks) + torch.tensor([0, 0, 1, 1]), target["boxes"])


def test_masks_have_the_classes_that_are_said() -> None:
    data = shapes("segmentation", "train", 30)
    seen = set()
    for index in range(30):
        image, mask = data[index]
        assert mask.shape == image.shape[1:]
        assert mask.dtype == torch.int64
        assert data.labels_of(index) == set(mask.unique().tolist())
        seen |= set(mask.unique().tolist())
    assert seen == set(range(11))


def test_restricted_to_some_classes() -> None:
    data = shapes("segmentation", "train", 40)
    some = data.restricted(("star",))
    assert some.classes == ("background", "star")
    assert 0 < len(some) < 40
    assert {value for i in range(len(some)) for value in some[i][1].unique().tolist()} == {0, 1}


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(DataError, match="size must be 16 to 256"):
        shapes("classification", "train", 1, 8)
    with pytest.raises(DataError, match="Did you mean detection"):
        shapes("detectio", "train", 1)  # type: ignore[arg-type]
    with pytest.raises(DataError):
        shapes("detection", "train", 0)
