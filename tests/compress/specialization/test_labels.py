"""Labels of all classes as labels of the kept ones, against NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.compress.specialization.labels import remap
from mobilekit.core.errors import DataError


@given(
    st.sampled_from([(7,), (3, 4), (2, 3, 4), (0,)]),
    st.sampled_from([-100, 255]),
    st.permutations(list(range(9))),
    st.integers(1, 8),
    st.integers(0, 1000),
)
def test_labels_are_the_places_of_the_old_ones_in_the_index(
    shape: tuple[int, ...], ignore: int, order: list[int], kept: int, seed: int
) -> None:
    index = order[:kept]
    target = np.random.default_rng(seed).integers(-1, 9, shape)
    target[target == -1] = ignore
    found = remap(torch.from_numpy(target), index, ignore, count=9)
    rest = ignore if len(shape) == 1 else 0
    for old, new in zip(target.reshape(-1), found.reshape(-1).tolist(), strict=True):
        expected = ignore if old == ignore else index.index(old) if old in index else rest
        assert new == expected
    assert found.shape == target.shape
    assert found.dtype == torch.int64


def test_other_classes_get_the_label_that_is_asked_for() -> None:
    maps = torch.tensor([[[0, 1], [2, 3]]])
    assert remap(maps, (2, 3), ignore=255, other=255).tolist() == [[[255, 255], [0, 1]]]
    assert remap(maps[0, 0], (1,), other=7).tolist() == [7, 0]


def test_masks_of_bytes_become_labels() -> None:
    mask = torch.tensor([[0, 20, 255]], dtype=torch.uint8)
    assert remap(mask, (0, 20), ignore=255).tolist() == [[0, 1, 255]]


def test_an_image_without_boxes_has_no_labels() -> None:
    assert remap(torch.zeros(0, dtype=torch.int64), (0, 2)).tolist() == []


def test_the_target_is_left_as_found() -> None:
    target = torch.tensor([5, 3])
    remap(target, (3,))
    assert target.tolist() == [5, 3]


@pytest.mark.parametrize(
    ("target", "count", "said"),
    [
        (torch.tensor([0.0]), None, "labels are integers, not torch.float32"),
        (torch.tensor([True]), None, "labels are integers, not torch.bool"),
        (torch.tensor([0, -1]), None, "label -1 is no class; .* say ignore=-1"),
        (torch.tensor([0, 255]), 21, "label 255 is no class of 21; .* say ignore=255"),
    ],
)
def test_what_is_no_label_is_refused(target: torch.Tensor, count: int | None, said: str) -> None:
    with pytest.raises(DataError, match=said):
        remap(target, (0,), count=count)
