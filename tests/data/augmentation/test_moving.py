"""What moves with an image: masks, boxes, sides."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mobilekit.data.augmentation.configs import Affine
from mobilekit.data.augmentation.moving import flipped, moved
from mobilekit.data.augmentation.sides import mirrored_classes
from mobilekit.data.face_labels import FACE_LABELS

STAY = {"rotation": 0.0, "scale": (1.0, 1.0), "shift": 0.0}


def told(target: Tensor, image: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """An image that shows its own labels, so that both can be compared."""
    return (target.float().expand(3, -1, -1) / 255 if image is None else image), target


def test_sides_are_swapped_where_the_mirror_puts_them() -> None:
    target = torch.tensor([[0, 1, 2], [0, 1, 255]])
    image, labels = flipped(told(target), (0, 2, 1))
    assert isinstance(labels, Tensor)
    assert type(labels) is Tensor
    assert labels.tolist() == [[1, 2, 0], [255, 2, 0]]
    assert (image[0] * 255).round().tolist() == [[2, 1, 0], [255, 1, 0]]


def test_brows_and_eyes_of_a_face_change_places() -> None:
    target = torch.arange(10)[None]
    found = flipped(told(target), mirrored_classes(FACE_LABELS))
    assert found[1].tolist() == [[9, 8, 7, 6, 4, 5, 2, 3, 1, 0]]  # type: ignore[union-attr]
    assert torch.equal(found[0], told(target)[0].flip(-1))


def test_a_class_of_one_side_becomes_that_of_the_other() -> None:
    image = torch.arange(3.0).expand(1, 2, 3)
    found, label = flipped((image, torch.tensor(0)), (1, 0))
    assert found[0, 0].tolist() == [2, 1, 0]
    assert int(label) == 1  # type: ignore[arg-type]


def test_boxes_and_their_masks_are_mirrored() -> None:
    masks = torch.zeros(2, 4, 10, dtype=torch.uint8)
    masks[0, :, 1:3], masks[1, 2:, 4:] = 1, 1
    target = {
        "boxes": torch.tensor([[1.0, 0, 3, 4], [4, 2, 10, 4]]),
        "labels": torch.tensor([1, 3]),
        "masks": masks,
    }
    _, found = flipped((torch.zeros(3, 4, 10), target), (1, 0, 2))
    assert isinstance(found, dict)
    assert found["boxes"].tolist() == [[7, 0, 9, 4], [0, 2, 6, 4]]
    assert found["labels"].tolist() == [2, 3]
    assert torch.equal(found["masks"], masks.flip(-1))
    assert target["labels"].tolist() == [1, 3]


def test_twice_mirrored_is_as_before() -> None:
    target = torch.randint(0, 4, (9, 7), generator=torch.Generator().manual_seed(0))
    once = flipped(told(target), (0, 2, 1, 3))
    image, labels = flipped(once, (0, 2, 1, 3))
    assert torch.equal(image, told(target)[0])
    assert torch.equal(labels, target)  # type: ignore[arg-type]


class Says:
    """A generator that gives the numbers it is told to."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def uniform(self, low: float, high: float, size: int) -> np.ndarray:
        assert (low, high, size) == (-1, 1, len(self.values))
        return np.array(self.values)


def test_shift_moves_image_and_labels_by_whole_pixels() -> None:
    target = torch.arange(64).reshape(8, 8) % 10
    config = Affine(**{**STAY, "shift": 0.25})  # type: ignore[arg-type]
    image, labels = moved(told(target), config, Says(0, 1, -1, 0, 0, 0))  # type: ignore[arg-type]
    expected = torch.full((8, 8), 255)
    expected[:6, 2:] = target[2:, :6]  # to the right and up by 2
    assert torch.equal(labels, expected)  # type: ignore[arg-type]
    seen = torch.where(expected == 255, 0, expected)
    torch.testing.assert_close(image[0] * 255, seen.float(), rtol=0, atol=1e-3)


def test_a_quarter_turn_is_one() -> None:
    target = torch.arange(64).reshape(8, 8) % 10
    config = Affine(**{**STAY, "rotation": 90.0})  # type: ignore[arg-type]
    image, labels = moved(told(target), config, Says(1, 0, 0, 0, 0, 0))  # type: ignore[arg-type]
    expected = torch.rot90(target, -1)
    assert torch.equal(labels, expected)  # type: ignore[arg-type]
    torch.testing.assert_close(image[0] * 255, expected.float(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("drawn", [-1.0, 0.0, 1.0])
def test_scale_is_even_in_its_logarithm(drawn: float) -> None:
    target = torch.zeros(64, 64, dtype=torch.int64)
    target[24:40, 24:40] = 1
    config = Affine(**{**STAY, "scale": (0.5, 2.0)})  # type: ignore[arg-type]
    _, labels = moved(told(target), config, Says(0, 0, 0, 0, 0, drawn))  # type: ignore[arg-type]
    side = 16 * 2.0**drawn
    assert math.isclose(float((labels == 1).sum()), side * side, rel_tol=0.15)  # type: ignore[union-attr]


def test_labels_stay_with_what_they_name() -> None:
    generator = np.random.default_rng(3)
    target = torch.zeros(48, 48, dtype=torch.int64)
    target[10:30, 12:25] = 200
    for _ in range(20):
        image, labels = moved(told(target), Affine(rotation=40, shear=10), generator)
        assert isinstance(labels, Tensor)
        judged = labels != 255
        shown = (image[0] * 255).round()
        assert labels.dtype == torch.int64
        assert set(labels.unique().tolist()) <= {0, 200, 255}
        off = ((shown > 100) != (labels == 200)) & judged
        assert float(off.float().mean()) < 0.03  # pixels that an edge runs through


def test_a_class_does_not_move() -> None:
    image, label = moved((torch.rand(1, 8, 8), torch.tensor(4)), Affine(), np.random.default_rng(0))
    assert image.shape == (1, 8, 8)
    assert int(label) == 4  # type: ignore[arg-type]
