"""The square that is cut out, against coordinates computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobilekit.data.formats.face_crops import FILL, MARGINS, Square, around, box_of, margin_of


def ramps(height: int = 60, width: int = 80) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([columns * 3, rows * 4, 0 * rows], 2).astype(np.uint8))


@given(st.floats(5, 20), st.floats(5, 15), st.floats(12, 40), st.integers(8, 32))
def test_a_ramp_is_sampled_in_the_middle_of_each_pixel(
    left: float, top: float, side: float, size: int
) -> None:
    cut = np.asarray(Square(left, top, side).image(ramps(), size)).astype(float)
    middles = (np.arange(size) + 0.5) * side / size - 0.5
    # Half a level by rounding, and at the edge half of the filter's width, where it is one-sided.
    edge = 1 + int(np.ceil(size / side))
    inner = slice(edge, -edge)
    assert np.abs(cut[0, inner, 0] - 3 * (left + middles)[inner]).max() <= 1
    assert np.abs(cut[inner, 0, 1] - 4 * (top + middles)[inner]).max() <= 1


def test_outside_of_the_image_is_gray_and_background() -> None:
    white = Image.new("RGB", (10, 10), (255, 255, 255))
    cut = np.asarray(Square(-10, -10, 30).image(white, 30))
    expected = np.full((30, 30, 3), FILL[0], np.uint8)
    expected[10:20, 10:20] = 255
    np.testing.assert_array_equal(cut, expected)
    mask = Square(-10, -10, 30).mask(np.full((10, 10), 7, np.uint8), 30)
    np.testing.assert_array_equal(mask, np.pad(np.full((10, 10), 7), 10))


@given(st.integers(0, 2**32), st.floats(-9, 9), st.floats(-9, 9), st.floats(4, 30))
def test_labels_are_never_mixed(seed: int, left: float, top: float, side: float) -> None:
    labels = np.random.default_rng(seed).choice(np.array([0, 9], np.uint8), (16, 16))
    assert set(np.unique(Square(left, top, side).mask(labels, 12))) <= {0, 9}


@given(st.floats(0, 50), st.floats(0, 50), st.floats(1, 50), st.floats(1, 50), st.floats(0, 1))
def test_the_box_lies_in_the_middle(
    left: float, top: float, width: float, height: float, margin: float
) -> None:
    square = around((left, top, left + width, top + height), margin)
    assert square.side == pytest.approx(max(width, height) * (1 + margin))
    assert square.left + square.side / 2 == pytest.approx(left + width / 2)
    assert square.top + square.side / 2 == pytest.approx(top + height / 2)


def test_no_pixel_has_no_box() -> None:
    assert box_of(np.zeros((3, 4), bool)) is None
    assert box_of(np.ones((3, 4), bool)) == (0, 0, 4, 3)


def test_margins_fill_the_range_in_training_and_are_one_in_testing() -> None:
    found = [margin_of("train", 0, f"{n}.jpg") for n in range(400)]
    assert MARGINS[0] <= min(found) < 0.31
    assert 0.69 < max(found) <= MARGINS[1]
    # The mean of 400 uniform numbers of width 0.4 strays by 0.4 / sqrt(12 · 400) = 0.006; five of them.
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)
    assert found == [margin_of("train", 0, f"{n}.jpg") for n in range(400)]
    assert found != [margin_of("train", 1, f"{n}.jpg") for n in range(400)]
    assert {margin_of("test", seed, "1.jpg") for seed in range(9)} == {0.5}
