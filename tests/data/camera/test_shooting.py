"""A camera as a whole: its settings lie in their ranges, and its pictures depend on its seed alone."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core.errors import DataError
from mobilekit.data.camera import EVERYDAY, HARD, CameraRanges, apply, draw, shoot


def scene(side: int = 48) -> np.ndarray:
    return np.random.default_rng(5).random((side, side, 3), np.float32)


@pytest.mark.parametrize("ranges", [EVERYDAY, HARD])
@given(seed=st.integers(0, 2**32))
def test_settings_lie_in_their_ranges(ranges: CameraRanges, seed: int) -> None:
    found = draw(np.random.default_rng(seed), ranges)
    for name in ("blur", "vignette", "shot", "read", "gamma", "quality"):
        low, high = getattr(ranges, name)
        assert low <= getattr(found, name) <= high
    red, green, blue = found.gains
    assert ranges.exposure[0] <= green <= ranges.exposure[1]
    for colour in (red / green, blue / green):
        assert ranges.balance[0] * (1 - 1e-9) <= colour <= ranges.balance[1] * (1 + 1e-9)
    assert found.scale == 1 or ranges.scale[0] <= found.scale <= ranges.scale[1]


def test_a_picture_depends_on_its_seed_alone() -> None:
    one, same, other = (shoot(scene(), np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_a_picture_has_256_levels_and_the_scene_stays_as_it_was() -> None:
    before = scene()
    found = shoot(before, np.random.default_rng(0), HARD)
    assert (found.shape, found.dtype) == (before.shape, np.float32)
    assert np.array_equal(found, np.rint(found * 255).astype(np.float32) / np.float32(255))
    assert np.array_equal(before, scene())


def test_frames_of_a_clip_differ_by_their_noise_alone() -> None:
    rng = np.random.default_rng(2)
    settings = draw(rng)
    frames = [apply(scene(), settings, rng) for _ in range(2)]
    assert not np.array_equal(*frames)
    quiet = dataclasses.replace(settings, shot=0, read=0)
    frames = [apply(scene(), quiet, rng) for _ in range(2)]
    assert np.array_equal(*frames)


def test_the_hard_camera_keeps_less_of_a_scene() -> None:
    far = []
    for ranges in (EVERYDAY, HARD):
        rng = np.random.default_rng(1)
        errors = [np.abs(shoot(scene(), rng, ranges) - scene()).mean() for _ in range(30)]
        far.append(float(np.mean(errors)))
    assert far[1] > 1.1 * far[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": (1.2, 0.8)}, "gamma is a range from low to high"),
        ({"quality": (0, 90)}, "quality is between 1 and 100"),
        ({"scale": (0.5, 1.5)}, "scale is above 0 and at most 1"),
        ({"resampled": 1.5}, "resampled"),
    ],
)
def test_ranges_that_cannot_be_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        CameraRanges(**change)  # type: ignore[arg-type]


def test_an_image_of_another_make_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="float32"):
        shoot(np.zeros((8, 8, 3)), rng)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"\[3, 8, 8\]"):
        shoot(np.zeros((3, 8, 8), np.float32), rng)
