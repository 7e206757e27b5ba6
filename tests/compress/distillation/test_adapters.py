"""Adapters: shapes, seeds, and when there is none."""

import pytest
import torch
from torch import nn

from mobilekit.compress.distillation.adapters import adapter
from mobilekit.core.errors import ModelError


@pytest.mark.parametrize(
    ("student", "teacher"),
    [((2, 3, 5, 5), (2, 7, 9, 9)), ((2, 3), (2, 7)), ((2, 7, 4, 4), (2, 3, 4, 4))],
)
def test_it_makes_the_teachers_channels(student: tuple[int, ...], teacher: tuple[int, ...]) -> None:
    made = adapter(student, teacher)
    assert made(torch.ones(student)).shape == (student[0], teacher[1], *student[2:])
    assert all(weight.requires_grad for weight in made.parameters())
    assert sum(weight.numel() for weight in made.parameters()) == student[1] * teacher[1]


def test_equal_channels_need_nothing() -> None:
    made = adapter((1, 3, 5, 5), (1, 3, 9, 9))
    features = torch.randn(1, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    assert made(features) is features
    assert not list(made.parameters())


def test_weights_follow_the_generator_alone() -> None:
    before = torch.get_rng_state()

    def made(seed: int) -> nn.Module:
        return adapter((1, 64, 5, 5), (1, 32, 5, 5), torch.Generator().manual_seed(seed))

    (one,), (same,), (other,) = (list(made(seed).parameters()) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert one.abs().max() <= 1 / 8
    assert one.std() > 0.9 / 8 / 3**0.5  # uniform


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ModelError, match=r"not \[2, 3\] and \[2, 3, 4, 4\]"):
        adapter((2, 3), (2, 3, 4, 4))
