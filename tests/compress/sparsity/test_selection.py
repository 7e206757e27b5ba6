"""The lowest of many: exactly what a stable sort of all of them gives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.compress.sparsity import selection
from mobilekit.compress.sparsity.selection import SMALL, Piece, count_of, lowest_of_all
from mobilekit.core.errors import ModelError


def sorted_out(scores: np.ndarray, count: int) -> np.ndarray:
    """Mark the lowest by a full sort; of equal ones the later."""
    mark = np.zeros(len(scores), dtype=bool)
    mark[np.lexsort((-np.arange(len(scores)), scores))[:count]] = True
    return mark


def check(scores: np.ndarray, count: int, cuts: list[int]) -> None:
    pieces = [Piece.of(torch.from_numpy(part.copy())) for part in np.split(scores, cuts)]
    marks = lowest_of_all(pieces, count)
    assert [len(mark) for mark in marks] == [piece.size for piece in pieces]
    np.testing.assert_array_equal(torch.cat(marks).numpy(), sorted_out(scores, count))


VALUES = st.sampled_from([0.0, 1.0, -1.0, np.inf, -np.inf, 0.5]) | st.floats(-4, 4, width=32)


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=30), st.data())
def test_few(values: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(values)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    check(np.array(values, dtype=np.float32), count, cuts)


@settings(deadline=None, max_examples=100)
@given(st.lists(VALUES, min_size=8, max_size=30), st.data())
def test_few_as_if_they_were_many(values: list[float], data: st.DataObject) -> None:
    """With a sample of a few, brackets miss, and lie on ties and infinities."""
    count = data.draw(st.integers(0, len(values)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "SMALL", 4)
        patch.setattr(selection, "_SAMPLE", data.draw(st.sampled_from([2, 5, 100])))
        patch.setattr(selection, "_SPREAD", data.draw(st.sampled_from([-1.0, 0.0, 0.3])))
        check(np.array(values, dtype=np.float64), count, [len(values) // 3])


LARGE = 4 * SMALL + 17


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    plain = rng.normal(size=LARGE).astype(np.float32)
    dead = plain.copy()
    dead[rng.random(LARGE) < 0.6] = -np.inf
    high = plain.copy()
    high[rng.random(LARGE) < 0.6] = np.inf
    zeros = np.where(rng.random(LARGE) < 0.8, 0, plain).astype(np.float32)
    return {
        "plain": plain,
        "sorted": np.sort(plain),
        "falling": -np.sort(plain),
        "sampled_high": np.where(
            np.arange(LARGE) % 2, 5 + plain, plain
        ),  # the sample is of even places
        "sampled_low": np.where(np.arange(LARGE) % 2, plain - 5, plain),
        "equal": np.zeros(LARGE, dtype=np.float32),
        "few_values": rng.integers(0, 3, LARGE).astype(np.float32),
        "zeros": zeros,
        "dead": dead,
        "high": high,
        "wide": np.exp(rng.normal(size=LARGE) * 100),
    }


@pytest.mark.parametrize("kind", sorted(arrays()))
def test_many(kind: str) -> None:
    scores = arrays()[kind]
    for count in (1, LARGE // 3, LARGE // 2 + 1, LARGE - 1):
        check(scores, count, [1000, LARGE // 2])


@pytest.mark.parametrize("kind", ["plain", "sampled_high"])
def test_many_without_a_sort_and_where_the_sample_misleads(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of random numbers only few are looked at closely; where a sample misleads, all are."""
    looked, count = [], LARGE // 2
    inner = selection._lowest

    def spy(scores: torch.Tensor, count: int) -> torch.Tensor:
        looked.append(len(scores))
        return inner(scores, count)

    monkeypatch.setattr(selection, "_lowest", spy)
    lowest_of_all([Piece.of(torch.from_numpy(arrays()[kind]))], count)
    if kind == "plain":
        assert len(looked) == 1
        assert looked[0] < LARGE // 8
    else:
        assert looked == [LARGE]


def test_the_dead_of_many_do_not_spoil_the_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Infinite scores are compared as such: with 60 % of them, no second look at all is needed."""
    scores = torch.from_numpy(arrays()["dead"])
    looked = []
    inner = selection._marked
    monkeypatch.setattr(selection, "_marked", lambda *given: looked.append(1) or inner(*given))
    for count in (LARGE // 3, 3 * LARGE // 4):
        lowest_of_all([Piece.of(scores)], count)
    assert len(looked) == 2


@pytest.mark.parametrize("size", [10, LARGE])
@pytest.mark.parametrize("where", [0, -1])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_score_that_is_no_number_is_an_error(size: int, where: int, count: int) -> None:
    scores = torch.arange(float(size))
    scores[where] = torch.nan
    with pytest.raises(ModelError, match="not all numbers"):
        lowest_of_all([Piece.of(scores)], count)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_of_numbers(dtype: torch.dtype) -> None:
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=3 * SMALL)).to(dtype)
    count = SMALL
    (mark,) = lowest_of_all([Piece.of(scores)], count)
    np.testing.assert_array_equal(mark.numpy(), sorted_out(scores.double().numpy(), count))


def test_scores_of_a_piece_are_computed_when_looked_at() -> None:
    values = torch.arange(10.0)
    (mark,) = lowest_of_all([Piece(10, lambda part: -values[part])], 3)
    assert mark.nonzero().squeeze(1).tolist() == [7, 8, 9]


@given(st.integers(0, 99), st.integers(0, 10**9))
def test_a_count_is_that_of_exact_arithmetic(percent: int, total: int) -> None:
    assert count_of(percent / 100, total) == percent * total // 100


def test_counts_whose_products_a_float_misses() -> None:
    assert 0.29 * 100_000_000 < 29_000_000
    assert count_of(0.29, 100_000_000) == 29_000_000
    assert count_of(1 - 1e-16, 7) <= 7
    assert count_of(0.5, 64) == 32
