"""Colours and holes: where pixels stay, and how much of them changes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from mobilekit.data.augmentation.configs import Colour, Erase
from mobilekit.data.augmentation.covering import coloured, erased, retaken
from mobilekit.data.camera import shoot

OFF = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


class Says:
    """A generator that gives the numbers it is told to."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def uniform(self, low: float, high: float, size: int) -> np.ndarray:
        assert (low, high, size) == (-1, 1, len(self.values))
        return np.array(self.values)


IMAGE = torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(1)) / 2 + 0.2


def changed(values: tuple[float, ...], **amounts: float) -> Tensor:
    config = Colour(**{**OFF, **amounts})
    return coloured(IMAGE, config, Says(*values))  # type: ignore[arg-type]


def grey() -> Tensor:
    """Luma as of ITU-R 601, `[1, H, W]`."""
    return (IMAGE * torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)


def test_brightness_is_a_factor() -> None:
    found = changed((0.5, 0, 0, 0), brightness=0.4)
    torch.testing.assert_close(found, (IMAGE * 1.2).clamp(0, 1))


def test_contrast_moves_from_the_mean_luma() -> None:
    found = changed((0, -1, 0, 0), contrast=0.3)
    torch.testing.assert_close(found, 0.7 * IMAGE + 0.3 * grey().mean())


def test_saturation_moves_from_the_luma() -> None:
    found = changed((0, 0, -1, 0), saturation=1.0)
    torch.testing.assert_close(found, grey().expand(3, -1, -1))


def test_hue_goes_around_the_circle() -> None:
    red = torch.tensor([1.0, 0, 0]).view(3, 1, 1).expand(3, 2, 2)
    config = Colour(**{**OFF, "hue": 0.5})
    third = coloured(red, config, Says(0, 0, 0, 2 / 3))  # type: ignore[arg-type]
    torch.testing.assert_close(third, torch.tensor([0.0, 1, 0]).view(3, 1, 1).expand(3, 2, 2))


def test_amounts_of_nothing_change_nothing() -> None:
    found = changed((1, 1, 1, 1), brightness=1e-9)
    torch.testing.assert_close(found, IMAGE, rtol=0, atol=1e-6)


def test_colours_stay_in_their_range() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        found = coloured(IMAGE, Colour(1, 1, 1, 0.5), generator)
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1


@pytest.mark.parametrize("seed", range(8))
def test_a_rectangle_is_covered_and_not_judged(seed: int) -> None:
    config = Erase(area=(0.1, 0.3))
    image, target = torch.full((3, 40, 50), 2.0), torch.ones(40, 50, dtype=torch.int64)
    found, labels = erased((image, target), config, np.random.default_rng(seed))
    assert isinstance(labels, Tensor)
    hidden = labels == 255
    rows, columns = hidden.any(1), hidden.any(0)
    assert int(hidden.sum()) == int(rows.sum() * columns.sum())  # a rectangle
    assert 0.09 <= float(hidden.float().mean()) <= 0.32  # sides are whole pixels
    assert 0.45 <= float(rows.sum() / columns.sum()) <= 2.2
    assert bool((found[:, ~hidden] == 2).all())
    assert bool((found[:, hidden] < 1).all())
    assert bool((image == 2).all())
    assert bool((target == 1).all())


def test_a_class_stays_behind_a_hole() -> None:
    _, label = erased((torch.zeros(1, 8, 8), torch.tensor(3)), Erase(), np.random.default_rng(0))
    assert int(label) == 3  # type: ignore[arg-type]


def test_a_camera_takes_the_image_it_would_take_alone() -> None:
    """The same photograph as of the camera that draws the data, channels first."""
    image = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(2))
    found = retaken(image, np.random.default_rng(5))
    alone = shoot(image.permute(1, 2, 0).numpy(), np.random.default_rng(5))
    np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), alone)
    assert found.dtype == torch.float32
    assert not torch.equal(found, image)
