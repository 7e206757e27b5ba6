"""Widths: never less than what stays, never more than there is, never less for more."""

import numpy as np
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mobilekit.compress.sparsity.rounding import SLACK, STEP, added, round_up, widest

TOTAL = st.integers(1, 200)
MULTIPLE = st.integers(1, 32)
TIME = st.integers(0, 5000).map(float)
TABLE = st.dictionaries(st.integers(1, 220), TIME, max_size=12)
NOTES = {32: 0.72, 33: 1.15, 48: 1.30, 57: 2.04, 60: 2.06, 64: 2.05}
"""Milliseconds of a stack of convolutions by its width, as measured for `notes/compress.md`, 2e."""


@given(TOTAL, st.data(), TABLE, MULTIPLE)
def test_the_width_is_a_multiple_between_what_stays_and_what_there_is(
    total: int, data: st.DataObject, table: dict[int, float], multiple: int
) -> None:
    kept = data.draw(st.integers(1, total))
    for width in (round_up(kept, total, multiple), widest(kept, total, table, multiple)):
        assert kept <= width <= total
        assert width % multiple == 0 or width == total
    assert widest(kept, total, table, multiple) >= round_up(kept, total, multiple)


@given(TOTAL, TABLE, MULTIPLE, st.sampled_from([0.0, SLACK, 0.5]))
@example(128, {16: 5.0, 32: 3.0, 48: 4.0, 128: 4.0}, 1, 0.0)
def test_the_width_never_falls_when_more_stays(
    total: int, table: dict[int, float], multiple: int, slack: float
) -> None:
    widths = [widest(kept, total, table, multiple, slack) for kept in range(1, total + 1)]
    assert widths == sorted(widths)


@given(TOTAL, st.data(), MULTIPLE)
def test_a_table_of_one_width_tells_nothing(total: int, data: st.DataObject, multiple: int) -> None:
    kept = data.draw(st.integers(1, total))
    table = {data.draw(st.integers(1, 220)): data.draw(TIME)}
    assert widest(kept, total, table, multiple) == round_up(kept, total, multiple)


@given(st.integers(2, 12), TIME, st.integers(1, 100))
def test_every_width_of_a_step_becomes_its_last(tile: int, step: float, kept: int) -> None:
    """A kernel that computes whole tiles: its own steps are the oracle."""
    assume(step > 0)
    table = {width: float(np.ceil(width / tile)) * step for width in range(1, 121)}
    assert widest(kept, 120, table, slack=0.0) == min(-(-kept // tile) * tile, 120)


@given(TABLE, st.data())
def test_the_width_takes_no_longer_than_the_next_measured_one(
    table: dict[int, float], data: st.DataObject
) -> None:
    assume(len(table) > 1)
    kept = data.draw(st.integers(1, max(table)))
    above = min(width for width in table if width >= kept)
    assume(above - kept < STEP)
    width = widest(kept, 300, table, slack=0.0)
    assert width >= above
    known = sorted(table)
    assert np.interp(width, known, [table[w] for w in known]) <= table[above] * (1 + 1e-12) + 1e-9


def test_the_figures_of_the_notes() -> None:
    assert [widest(kept, 64, NOTES) for kept in (20, 32, 33, 40, 49, 57, 61)] == [
        32, 32, 38, 48, 64, 64, 64,
    ]  # fmt: skip
    assert [widest(kept, 64, NOTES, 8) for kept in (20, 32, 33, 40, 49, 57)] == [
        32, 32, 40, 48, 64, 64,
    ]  # fmt: skip


def test_steps_as_xnnpack_makes_them() -> None:
    """3 × 3 filters on 64 channels of 28 × 28, µs, AMD EPYC with AVX-512, one thread."""
    table = {
        8: 132, 16: 132, 17: 264, 24: 264, 31: 264, 32: 270, 33: 539, 40: 539, 48: 539, 49: 541, 64: 538,
    }  # fmt: skip
    assert [widest(kept, 64, table, 8) for kept in (3, 16, 17, 25, 32, 33, 64)] == [
        16, 16, 32, 32, 32, 64, 64,
    ]  # fmt: skip


def test_where_no_width_is_near_a_straight_line_tells() -> None:
    assert widest(40, 256, {32: 100.0, 256: 800.0}, slack=0.0) == 40
    assert widest(40, 256, {32: 100.0, 128: 100.0, 256: 800.0}, slack=0.0) == 128
    assert widest(10, 256, {64: 100.0, 256: 800.0}, 8) == 16


def test_beyond_the_widest_measured_one_the_multiple_tells() -> None:
    assert widest(65, 256, NOTES, 8) == 72


def test_a_wider_one_that_is_faster_stands_for_the_narrower() -> None:
    assert widest(10, 64, {16: 5.0, 32: 3.0, 48: 4.0}, slack=0.0) == 32


CURVE = st.dictionaries(st.integers(1, 60), TIME, min_size=1, max_size=6)


@given(st.lists(CURVE, min_size=1, max_size=4))
def test_layers_of_one_width_are_added_as_numpy_interpolates(
    curves: list[dict[int, float]],
) -> None:
    first, last = max(min(curve) for curve in curves), min(max(curve) for curve in curves)
    expected = {
        width: sum(np.interp(width, sorted(c), [c[w] for w in sorted(c)]) for c in curves)
        for width in sorted({width for curve in curves for width in curve})
        if first <= width <= last
    }
    found = added(curves)
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), atol=1e-9)


def test_layers_without_a_width_in_common_add_to_nothing() -> None:
    assert added([]) == {}
    assert added([{8: 1.0}, {}]) == {}
    assert added([{8: 1.0}, {16: 1.0}]) == {}
