import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.compress.decomposition.rank import (
    Budget,
    Energy,
    Fraction,
    Rung,
    fraction_of,
    keeping,
    ladder,
    share_out,
    within,
)
from mobilekit.core.errors import RecipeError

spectra = st.lists(st.floats(0, 100), min_size=1, max_size=8).map(
    lambda values: torch.tensor(sorted(values, reverse=True), dtype=torch.float64)
)


@pytest.mark.parametrize("kind", [Fraction, Energy, Budget])
@pytest.mark.parametrize("share", [0.0, -0.1, 1.0001, float("nan")])
def test_a_share_out_of_range_is_refused(kind, share):
    with pytest.raises(RecipeError, match=r"expected a share above 0, at most 1"):
        kind(share)


def test_a_fraction_rounds_down_but_not_to_zero_and_not_by_floating_point():
    assert fraction_of((100,), 0.29) == (29,)
    assert fraction_of((102, 10), 0.75) == (76, 7)
    assert fraction_of((3,), 0.1) == (1,)
    assert fraction_of((7, 5), 1.0) == (7, 5)


@settings(max_examples=60, deadline=None)
@given(spectra, st.floats(0.01, 1))
def test_energy_takes_the_least_rank_that_keeps_it(spectrum, share):
    total = float(spectrum.sum())
    rank = keeping(ladder([spectrum], lambda ranks: ranks[0]), share).ranks[0]
    # sums of eight numbers round to 1e-15 of the total
    assert float(spectrum[:rank].sum()) >= (share - 1e-14) * total
    if rank > 1:
        assert float(spectrum[: rank - 1].sum()) <= (share + 1e-14) * total


def test_all_the_energy_drops_only_zeros():
    spectrum = torch.tensor([4.0, 1e-9, 1e-40, 0.0], dtype=torch.float64)
    assert keeping(ladder([spectrum], lambda ranks: ranks[0]), 1.0).ranks == (2,)
    assert keeping(ladder([torch.zeros(5)], lambda ranks: ranks[0]), 1.0).ranks == (1,)


@settings(max_examples=40, deadline=None)
@given(spectra, spectra)
def test_two_ranks_go_down_one_at_a_time_to_one(first, second):
    rungs = ladder([first, second], lambda ranks: 3 * ranks[0] + ranks[0] * ranks[1] + 2 * ranks[1])
    assert rungs[0].ranks == (len(first), len(second))
    assert rungs[-1].ranks == (1, 1)
    for above, below in itertools.pairwise(rungs):
        assert sum(above.ranks) - sum(below.ranks) == 1
        assert above.parameters > below.parameters
        assert above.dropped <= below.dropped


def test_a_budget_takes_the_highest_rung_within_it():
    rungs = ladder([torch.tensor([3.0, 2.0, 1.0])], lambda ranks: 10 * ranks[0])
    assert within(rungs, 25) == rungs[1]
    assert within(rungs, 30) == rungs[0]
    assert within(rungs, 9) is None


def test_the_cheapest_layer_goes_down_first_and_no_further_than_it_must():
    flat = ladder([torch.full((10,), 1.0)], lambda ranks: 20 * ranks[0])
    steep = ladder([torch.tensor([100.0, *[0.1] * 9])], lambda ranks: 20 * ranks[0])
    chosen = share_out([flat, steep], [100, 100], 30)
    assert chosen[0] is None
    assert chosen[1] is not None
    assert chosen[1].ranks == (3,)  # 60 parameters: at 4, 80 would save only 20
    assert share_out([flat, steep], [100, 100], 0) == [None, None]
    lowest = share_out([flat, steep], [100, 100], 1000)
    assert [rung.ranks for rung in lowest if rung] == [(1,), (1,)]


@st.composite
def several(draw):
    ladders, before = [], []
    for _ in range(draw(st.integers(1, 3))):
        spectrum = draw(spectra)
        cost = draw(st.integers(1, 20))
        ladders.append(ladder([spectrum], lambda ranks, cost=cost: cost * ranks[0]))
        before.append(cost * draw(st.integers(1, 8)))
    return ladders, before


@settings(max_examples=100, deadline=None)
@given(several(), st.floats(0, 1))
def test_what_was_asked_is_saved_where_it_can_be_and_little_more_is_lost(case, share):
    ladders, before = case
    most = sum(
        max(0, count - rungs[-1].parameters) for rungs, count in zip(ladders, before, strict=True)
    )
    excess = int(share * most)
    chosen = share_out(ladders, before, excess)
    saved = sum(
        count - rung.parameters
        for rung, count in zip(chosen, before, strict=True)
        if rung is not None
    )
    assert saved >= excess
    assert all(
        rung.parameters < count
        for rung, count in zip(chosen, before, strict=True)
        if rung is not None
    )
    # the oracle tries every choice; the relaxation is off by one layer's step at most
    lost = sum(rung.loss for rung in chosen if rung is not None)
    choices = [
        [Rung((), count, 0.0, 0.0), *(rung for rung in rungs if rung.parameters < count)]
        for rungs, count in zip(ladders, before, strict=True)
    ]
    best = min(
        sum(rung.loss for rung in tried)
        for tried in itertools.product(*choices)
        if sum(before) - sum(rung.parameters for rung in tried) >= excess
    )
    assert best <= lost + 1e-12
    assert lost <= best + max(rungs[-1].loss for rungs in ladders) + 1e-12
