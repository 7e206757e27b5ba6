"""Augmentations in a row: the same bits from the same state, each as often as it says."""

import time

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mobilekit.core.errors import RecipeError
from mobilekit.data.augmentation.augmented import augmented, check_augmentations
from mobilekit.data.augmentation.configs import Affine, Camera, Colour, Erase, Flip
from mobilekit.data.face_labels import FACE_LABELS
from mobilekit.data.task import Labelled, Sample, Task

ALL = (Flip(), Affine(), Colour(), Camera(), Erase())


class Flat(Dataset[Sample]):
    """One image, and its target."""

    def __init__(self, channels: int = 3) -> None:
        self.channels = channels

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return torch.zeros(self.channels, 8, 8), torch.tensor(index)


def data(task: Task, classes: tuple[str, ...], channels: int = 3) -> Labelled:
    return Labelled(task, classes, Flat(channels), "flat")


def sample(size: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    image = torch.rand(3, size, size, generator=generator)
    return image, torch.randint(0, 10, (size, size), generator=generator)


def test_same_state_same_bits_and_the_sample_stays() -> None:
    image, target = sample()
    before = image.clone(), target.clone()
    mirrored = check_augmentations(ALL, data("segmentation", FACE_LABELS))
    shown = [augmented((image, target), ALL, mirrored, np.random.default_rng(s)) for s in (5, 5, 6)]
    assert torch.equal(shown[0][0], shown[1][0])
    assert torch.equal(shown[0][1], shown[1][1])  # type: ignore[arg-type]
    assert not torch.equal(shown[0][0], shown[2][0])
    assert torch.equal(image, before[0])
    assert torch.equal(target, before[1])


def test_global_randomness_is_left_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    augmented(sample(), ALL, range(10), np.random.default_rng(0))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index]  # noqa: NPY002


def test_each_as_often_as_it_says() -> None:
    image = torch.arange(4.0).expand(1, 1, 4)
    generator = np.random.default_rng(0)
    count = sum(
        bool(augmented((image, torch.tensor(0)), (Flip(0.25),), (0,), generator)[0][0, 0, 0] == 3)
        for _ in range(1000)
    )
    assert abs(count - 250) < 55  # four standard deviations of a binomial


def test_nothing_asked_for_is_nothing_done() -> None:
    image, target = sample()
    found = augmented((image, target), (), (), np.random.default_rng(0))
    assert found[0] is image
    assert found[1] is target


@pytest.mark.parametrize(
    ("configs", "whole", "words"),
    [
        ((Flip(),), data("segmentation", ("background", "left eye")), "flip: class 'left eye'"),
        ((Affine(),), data("detection", ("face",)), "affine: boxes of a detection would no longer"),
        ((Colour(),), data("classification", ("one",), 1), "colour: images of 1 channels have no"),
    ],
)
def test_data_that_cannot_be_augmented_so_are_refused(
    configs: tuple[Flip | Affine | Colour, ...], whole: Labelled, words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        check_augmentations(configs, whole)


def test_grey_images_have_brightness_and_contrast() -> None:
    grey = (Colour(saturation=0, hue=0),)
    assert check_augmentations(grey, data("classification", ("one", "two"), 1)) == (0, 1)


def test_all_of_them_take_little_of_a_processor() -> None:
    """2 ms at 96 pixels; the bound here allows for processors that are slow or shared."""
    whole, generator = sample(96), np.random.default_rng(0)
    augmented(whole, ALL, range(10), generator)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        start = time.process_time()
        for _ in range(50):
            augmented(whole, ALL, range(10), generator)
        assert (time.process_time() - start) / 50 < 0.01
    finally:
        torch.set_num_threads(threads)
