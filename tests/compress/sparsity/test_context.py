"""Which channels go: exact counts, ties, and what must stay."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.compress.sparsity.context import choose, lowest

VALUES = st.sampled_from([0.0, 1.0, 2.0, 3.0]) | st.floats(0, 100, width=32)
GROUPS = st.lists(st.lists(VALUES, min_size=1, max_size=12), min_size=1, max_size=6)
SHARES = st.floats(0, 1)
LEAST = st.integers(1, 3)


def tensors(groups: list[list[float]]) -> list[torch.Tensor]:
    return [torch.tensor(group, dtype=torch.float64) for group in groups]


@given(GROUPS, SHARES, LEAST)
def test_locally_each_group_loses_exactly_its_share(
    groups: list[list[float]], share: float, least: int
) -> None:
    masks = choose(tensors(groups), share, "local", least)
    for group, mask in zip(groups, masks, strict=True):
        wanted = int(np.floor(share * len(group) + 1e-9))
        assert int(mask.sum()) == min(wanted, max(len(group) - least, 0))
        gone, stays = np.array(group)[mask.numpy()], np.array(group)[~mask.numpy()]
        assert not len(gone) or not len(stays) or gone.max() <= stays.min()


@given(GROUPS, SHARES, LEAST)
def test_globally_all_groups_together_lose_exactly_their_share(
    groups: list[list[float]], share: float, least: int
) -> None:
    masks = choose(tensors(groups), share, "global", least)
    total = sum(map(len, groups))
    free = sum(max(len(group) - least, 0) for group in groups)
    assert sum(int(mask.sum()) for mask in masks) == min(int(np.floor(share * total + 1e-9)), free)
    for group, mask in zip(groups, masks, strict=True):
        assert len(mask) == len(group)
        assert int((~mask).sum()) >= min(least, len(group))


@given(GROUPS, SHARES)
def test_globally_the_least_over_their_groups_mean_go(
    groups: list[list[float]], share: float
) -> None:
    masks = choose(tensors(groups), share, "global")
    scaled = [np.array(group) / max(np.mean(group), 1e-300) for group in groups]
    gone = [row[mask.numpy()] for row, mask in zip(scaled, masks, strict=True)]
    stays = [
        np.sort(row[~mask.numpy()])[:-1]  # the greatest of a group stays, whatever it is
        for row, mask in zip(scaled, masks, strict=True)
    ]
    most, rest = np.concatenate(gone), np.concatenate(stays)
    assert not len(most) or not len(rest) or most.max() <= rest.min() * (1 + 1e-12)


@pytest.mark.parametrize("scope", ["local", "global"])
def test_of_equal_channels_the_later_go(scope: str) -> None:
    masks = choose([torch.ones(4), torch.ones(4)], 0.5, scope)  # type: ignore[arg-type]
    flat = torch.cat(masks).tolist()
    assert (
        flat
        == {
            "local": [False, False, True, True] * 2,
            "global": [False, False, False, True, False, True, True, True],
        }[scope]
    )


def test_what_one_group_must_keep_another_loses() -> None:
    scores = [torch.tensor([4.0, 4.0, 4.0, 4.0]), torch.tensor([0.0, 0.0, 0.0, 9.0])]
    masks = choose(scores, 0.5, "global", least=2)
    assert [int(mask.sum()) for mask in masks] == [2, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_groups_of_zeros_only_go_first(dtype: torch.dtype) -> None:
    scores = [torch.ones(4, dtype=dtype), torch.zeros(4, dtype=dtype)]
    masks = choose(scores, 0.375, "global")
    assert [mask.tolist() for mask in masks] == [[False] * 4, [False, True, True, True]]


def test_a_share_that_a_float_misses_by_little_is_met() -> None:
    assert 0.29 * 100 < 29
    assert int(choose([torch.arange(100.0)], 0.29, "local")[0].sum()) == 29


def test_nothing_to_choose_from() -> None:
    assert choose([], 0.5, "global") == []
    assert lowest(torch.zeros(0), 0).tolist() == []
