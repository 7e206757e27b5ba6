"""Where images, boxes and masks go: all three to the same place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobilekit.data.formats.placement import FILL, placed

SIDES = st.integers(1, 60)


@pytest.mark.parametrize("fit", ["letterbox", "resize"])
@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES, SIDES)
def test_image_mask_and_box_of_the_whole_coincide(
    fit: str, width: int, height: int, size: int
) -> None:
    place = placed(width, height, size, fit)  # type: ignore[arg-type]
    (box,) = place.boxes(np.array([[0, 0, width, height]], np.float32))
    # Products of float32 ratios below 60 with whole numbers below 60: an error far below 1e-4.
    np.testing.assert_allclose(box, np.rint(box), atol=1e-4)
    left, top, right, bottom = np.rint(box).astype(int)
    assert 0 <= left < right <= size
    assert 0 <= top < bottom <= size
    inside = np.zeros((size, size), bool)
    inside[top:bottom, left:right] = True
    np.testing.assert_array_equal(place.mask(np.full((height, width), 9, np.uint8)), inside * 9)
    image = np.asarray(place.image(Image.new("RGB", (width, height), (1, 2, 3))))
    np.testing.assert_array_equal(image[inside], np.tile((1, 2, 3), (inside.sum(), 1)))
    np.testing.assert_array_equal(image[~inside], np.tile(FILL, ((~inside).sum(), 1)))
    if fit == "resize":
        assert inside.all()
    else:
        assert size in {right - left, bottom - top}
        assert abs(left - (size - right)) <= 1
        assert abs(top - (size - bottom)) <= 1


def test_letterboxed_proportions_are_those_of_the_image() -> None:
    place = placed(640, 480, 320, "letterbox")
    assert (place.after, place.corner) == ((320, 240), (0, 40))
    found = place.boxes(np.array([[64, 48, 128, 96]], np.float32))
    np.testing.assert_array_equal(found, [[32, 64, 64, 88]])
