"""Runs and polygons, against an encoder and a rule for points that are written here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.data.formats.masks import painted, polygons_of, runs_of


def encoded(counts: list[int]) -> str:
    """The text of runs, by its definition: two's complement in pieces of five bits."""
    text = ""
    for place, count in enumerate(counts):
        value = count - (counts[place - 2] if place > 2 else 0)
        bits = next(n for n in range(5, 70, 5) if -(1 << (n - 1)) <= value < 1 << (n - 1))
        whole = value % (1 << bits)
        for start in range(0, bits, 5):
            more = 32 if start + 5 < bits else 0
            text += chr(48 + more + (whole >> start) % 32)
    return text


def counted(mask: np.ndarray) -> list[int]:
    """The runs of a mask: down the columns, those outside first."""
    counts, inside = [0], False
    for pixel in mask.T.reshape(-1).tolist():
        if pixel != inside:
            counts.append(0)
            inside = pixel
        counts[-1] += 1
    return counts


@pytest.mark.parametrize(
    ("counts", "text"),
    # 3 − 6 = −3 is 11101 in five bits, 29 + 48 is M; 1024 is 00000 00000 00001 from the low end,
    # the first two with more to come: 32 + 48 is P.
    [([0, 6, 1, 3], "061M"), ([0, 1024], "0PP1"), ([16], "`0"), ([15], "?")],
)
def test_texts_worked_out_by_hand(counts: list[int], text: str) -> None:
    assert encoded(counts) == text
    assert runs_of(text, 1, sum(counts)).counts.tolist() == counts


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10_000), st.floats(0, 1))
def test_runs_give_the_mask_that_was_encoded(
    height: int, width: int, seed: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((height, width)) < share
    mask[: height // 2] = mask[0, 0]  # long runs
    counts = counted(mask)
    for form in (counts, encoded(counts)):
        np.testing.assert_array_equal(runs_of(form, height, width).mask(height, width), mask)


@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=20))
def test_long_runs_survive_the_text(counts: list[int]) -> None:
    assert runs_of(encoded(counts), 1, sum(counts)).counts.tolist() == counts


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([3, 2], "runs of 5 pixels for an image of 6"),
        ([7, -1], "runs of 6 pixels"),
        ([], "runs of 0 pixels"),
        ("", "runs of 0 pixels"),
        ("6P", "end within a number"),
        ("6 ", "the character ' '"),
        ("6é", "the character 'é'"),
    ],
)
def test_damaged_runs_are_refused(counts: str | list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        runs_of(counts, 2, 3)


def test_a_rectangle_covers_exactly_its_pixels() -> None:
    outline = polygons_of([[2, 1, 5, 1, 5, 4, 2, 4]])
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:5] = True
    np.testing.assert_array_equal(outline.mask(6, 8), expected)


def test_polygons_that_reach_over_the_edge_are_cut() -> None:
    expected = np.zeros((4, 6), bool)
    expected[:2, 4:] = True
    outline = polygons_of([[4, -3, 9, -3, 9, 2, 4, 2], [10, 10, 12, 10, 12, 12]])
    np.testing.assert_array_equal(outline.mask(4, 6), expected)


def test_an_object_in_two_parts_has_both() -> None:
    outline = polygons_of([[0, 0, 1, 0, 1, 2, 0, 2], [3, 0, 4, 0, 4, 2, 3, 2]])
    np.testing.assert_array_equal(outline.mask(2, 4), [[True, False, False, True]] * 2)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(-500, 3500), st.integers(-500, 2500)).map(
            lambda p: (p[0] / 100, p[1] / 100)
        ),
        min_size=3,
        max_size=7,
    )
)
def test_polygons_cover_the_middles_that_lie_inside(points: list[tuple[float, float]]) -> None:
    mask = polygons_of([[value for point in points for value in point]]).mask(20, 30)
    x, y = np.meshgrid(np.arange(30) + 0.5, np.arange(20) + 0.5)
    inside, distance = np.zeros((20, 30), bool), np.full((20, 30), np.inf)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if y0 != y1:
            crosses = ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
            inside ^= crosses
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length if length else 0 * x
        along = along.clip(0, 1)
        distance = np.minimum(
            distance, np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0))
        )
    # Corners move by up to half a step of 0.2 in x and in y, and lines are a step wide.
    clear = distance > 0.1 * 2**0.5 + 0.2 * 2**0.5
    np.testing.assert_array_equal(mask[clear], inside[clear])


@pytest.mark.parametrize(
    "rings", [[], [[0, 0, 1, 1]], [[0, 0, 1, 1, 2, 2, 3]], [[0, 0, 1, 1, 2, 1e9]]]
)
def test_damaged_polygons_are_refused(rings: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="polygons"):
        polygons_of(rings)


def test_the_last_object_lies_in_front() -> None:
    left = polygons_of([[0, 0, 3, 0, 3, 1, 0, 1]])
    right = runs_of([2, 2], 1, 4)
    assert painted([(7, left), (2, right)], 1, 4).tolist() == [[7, 7, 2, 2]]
    assert painted([(2, right), (7, left)], 1, 4).tolist() == [[7, 7, 7, 2]]
    assert painted([], 1, 2).tolist() == [[0, 0]]
