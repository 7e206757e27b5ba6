"""Palettes: the best of all for a few values, at least as good as random starts for many."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2

from mobilekit.core.kmeans import kmeans, nearest


def _error(row: np.ndarray, table: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Squared error when each value takes the nearest of all entries."""
    apart = (row.astype(np.float64)[:, None] - table.astype(np.float64)[None, :]) ** 2
    return float((apart.min(axis=1) * (1.0 if weights is None else weights)).sum())


def _best(row: np.ndarray, size: int, weights: np.ndarray) -> float:
    """Least error of all ways to cut sorted values into intervals."""
    order = np.argsort(row)
    row, weights = row[order], weights[order]
    least = np.inf
    for cuts in itertools.combinations(range(1, len(row)), size - 1):
        parts = np.split(np.arange(len(row)), cuts)
        means = [np.average(row[part], weights=weights[part]) for part in parts]
        least = min(least, _error(row, np.array(means), weights))
    return least


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-30, 30), min_size=5, max_size=10, unique=True),
    st.integers(1, 4),
    st.integers(0, 1000),
)
def test_a_few_values_get_the_best_of_all_tables(values: list[int], size: int, seed: int) -> None:
    row = np.array(values, np.float64)
    weights = np.random.default_rng(seed).uniform(0.1, 2.0, len(row))
    table = kmeans(row[None], size, weights[None])[0]
    assert np.all(np.diff(table) > 0)
    best = _best(row, size, weights)
    # Entries are means of at most 10 values in float64.
    assert _error(row, table, weights) == pytest.approx(best, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("size", [2, 16, 64, 256])
@pytest.mark.parametrize("shape", ["normal", "laplace", "tails", "two"])
def test_many_values_err_no_more_than_random_starts(size: int, shape: str) -> None:
    generator = np.random.default_rng(size)
    draw = {
        "normal": generator.standard_normal,
        "laplace": lambda n: generator.laplace(size=n),
        "tails": lambda n: generator.standard_t(3, size=n),
        "two": lambda n: np.concatenate(
            [generator.normal(-1, 0.1, n // 2), generator.normal(2, 1, n - n // 2)]
        ),
    }[shape]
    row = draw(4000).astype(np.float16)
    found = _error(row, kmeans(row[None], size)[0])
    column = row.astype(np.float64)[:, None]
    others = []
    for seed in range(3):
        table, _ = kmeans2(column, size, iter=30, minit="++", rng=seed)
        others.append(_error(row, table[:, 0]))
    assert found <= 1.002 * min(others)  # of three starts


def test_a_long_row_is_as_good_as_the_same_values_apart() -> None:
    """Rows of 16384 values and more are taken on float16's grid."""
    generator = np.random.default_rng(0)
    part = generator.standard_normal(5000).astype(np.float32) * 1e-9  # denormal in float16
    whole = np.tile(part, 4)
    one, other = kmeans(part[None], 16)[0], kmeans(whole[None], 16)[0]
    # The grid is 2^-11 of a value, a sixteenth part of the range 2^-3: the errors differ little.
    assert _error(part, other) <= 1.01 * _error(part, one)


def test_fewer_different_values_than_entries_are_the_table() -> None:
    table = kmeans(np.array([[3.0, -1.0, 3.0, 0.5]]), 4)
    assert table.tolist() == [[-1.0, 0.5, 3.0, 3.0]]


def test_values_without_weight_do_not_count() -> None:
    row, weights = np.array([[0.0, 1.0, 50.0, 60.0]]), np.array([[1.0, 1.0, 0.0, 0.0]])
    assert kmeans(row, 2, weights).tolist() == [[0.0, 1.0]]
    assert kmeans(row, 2, 0 * weights).tolist() == [[0.0, 0.0]]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(0, 1000), st.sampled_from([20, 20_000]))
def test_the_nearest_entry_is_found(size: int, seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    row = generator.standard_normal(count).astype(np.float16)
    table = np.sort(generator.standard_normal(size))
    chosen = table[nearest(row[None], table[None])[0]]
    assert float(((chosen - row.astype(np.float64)) ** 2).sum()) == pytest.approx(
        _error(row, table), rel=1e-12
    )
