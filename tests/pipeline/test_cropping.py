"""Boxes in pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core.errors import DataError, UsageError
from mobilekit.pipeline.cropping import Box, cut, parse_box, placed


@given(st.integers(1, 400), st.integers(1, 400))
def test_the_centred_square_is_the_largest_and_in_the_middle(height: int, width: int) -> None:
    box = placed(None, np.zeros((height, width, 3), np.uint8), "x")
    assert box.width == box.height == min(height, width)
    assert abs(box.left - (width - box.right)) <= 1
    assert abs(box.top - (height - box.bottom)) <= 1


def test_a_box_that_is_given_is_cut_exactly() -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    box = placed(parse_box("2,1,7,5"), pixels, "x")
    assert np.array_equal(cut(pixels, box), pixels[1:5, 2:7])


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1.5,2,3,4", "5,0,5,9"])
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--box"):
        parse_box(text)


@pytest.mark.parametrize("box", [(-1, 0, 4, 4), (0, -1, 4, 4), (0, 0, 8, 4), (0, 0, 4, 6)])
def test_a_box_beyond_the_picture_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(DataError, match="7 × 5 pixels"):
        placed(Box(*box), np.zeros((5, 7, 3), np.uint8), "x.png")
