"""Whose left it is, told from masks."""

import logging

import numpy as np
import pytest

from mobilekit.core.errors import DataError
from mobilekit.data.formats.sides import EXCHANGED, are_the_images


def mask(left: slice, right: slice) -> np.ndarray:
    labels = np.ones((10, 20), np.uint8)
    labels[2:4, left], labels[2:4, right] = 4, 5
    return labels


PERSONS, IMAGES = (slice(12, 16), slice(2, 6)), (slice(2, 6), slice(12, 16))


def test_the_side_of_the_left_eye_decides() -> None:
    assert not are_the_images("here", [mask(*PERSONS)] * 3)
    assert are_the_images("here", [mask(*IMAGES)] * 3)


def test_exchanging_turns_one_into_the_other() -> None:
    np.testing.assert_array_equal(EXCHANGED[mask(*IMAGES)], mask(*PERSONS))
    np.testing.assert_array_equal(EXCHANGED[EXCHANGED], np.arange(256))


def test_a_profile_has_no_vote_and_a_few_strays_do_not_count() -> None:
    profile = mask(slice(2, 6), slice(0, 0))
    found = [mask(*PERSONS)] * 9 + [mask(*IMAGES)] + [profile] * 50
    assert not are_the_images("here", found)


def test_masks_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(DataError, match=r"here: the left eye or brow is left .* in 50% of 4 pairs"):
        are_the_images("here", [mask(*PERSONS), mask(*IMAGES)] * 2)


def test_without_a_vote_one_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not are_the_images("here", [np.ones((4, 4), np.uint8)])
    assert "here: no mask shows both eyes or brows" in caplog.text


def test_just_enough_votes_decide_for_the_majority() -> None:
    assert are_the_images("here", [mask(*IMAGES)] * 3 + [mask(*PERSONS)])
    assert not are_the_images("here", [mask(*PERSONS)] * 3 + [mask(*IMAGES)])
