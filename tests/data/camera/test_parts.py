"""Each part of a camera against what it must do by its formula."""

import math

import numpy as np
import pytest
from scipy import ndimage

from mobilekit.data.camera import parts

EPS = float(np.finfo(np.float32).eps)


@pytest.fixture
def image() -> parts.Picture:
    return np.random.default_rng(3).random((20, 31, 3), np.float32)


def flat(level: float, side: int = 64) -> parts.Picture:
    return np.full((side, side, 3), level, np.float32)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 1.7])
def test_blur_is_scipys_gaussian(image: parts.Picture, sigma: float) -> None:
    reach = math.ceil(2.5 * sigma)
    expected = ndimage.gaussian_filter(
        image.astype(np.float64), (sigma, sigma, 0), mode="nearest", radius=(reach, reach, 0)
    )
    assert np.abs(parts.blurred(image, sigma) - expected).max() < 16 * EPS


def test_no_blur_leaves_the_image(image: parts.Picture) -> None:
    assert parts.blurred(image, 0.05) is image


def test_vignetting_darkens_corners_not_the_centre() -> None:
    found = parts.vignetted(flat(0.8, 65), 0.5)
    assert found[32, 32] == pytest.approx(0.8)
    assert found[0, 0] == pytest.approx(0.4)  # half of the light, at half a diagonal
    assert found[0, 32] == pytest.approx(0.6)  # a quarter, as the distance squared is half
    moved = parts.vignetted(flat(0.8, 65), 0.5, (0.5, 0.0))
    assert moved[48, 32] == pytest.approx(0.8)


def test_balance_multiplies_and_clips() -> None:
    found = parts.balanced(flat(0.5), (0.5, 1.0, 3.0))
    assert found[0, 0].tolist() == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(("level", "shot", "read"), [(0.2, 0.0, 0.03), (0.5, 0.002, 0.01)])
def test_noise_has_the_variance_of_its_light(level: float, shot: float, read: float) -> None:
    found = parts.noisy(flat(level, 200), shot, read, np.random.default_rng(1)).astype(np.float64)
    expected = shot * level + read**2
    # The variance of n = 120,000 normal numbers has a deviation of √(2/n) = 0.4 %; five of those.
    assert found.var() == pytest.approx(expected, rel=0.02)
    assert found.mean() == pytest.approx(level, abs=5 * math.sqrt(expected / 120_000))


def test_noise_stays_between_black_and_white() -> None:
    rng = np.random.default_rng(0)
    assert parts.noisy(flat(0), 0, 0.1, rng).min() == 0
    assert parts.noisy(flat(1), 0, 0.1, rng).max() == 1


@pytest.mark.parametrize("gamma", [0.7, 1.0, 1.6])
def test_gamma_is_a_power(image: parts.Picture, gamma: float) -> None:
    bright = np.maximum(image, np.float32(0.05))  # where the slope of the power is below 2
    assert np.abs(parts.toned(bright, gamma) - bright.astype(np.float64) ** gamma).max() < 2 / 8190


def test_gamma_takes_black_and_white_for_what_they_are() -> None:
    assert parts.toned(flat(0), 0.7).max() == 0
    assert parts.toned(flat(1), 0.7).min() == 1


def test_resampling_removes_what_is_fine_and_keeps_what_is_coarse() -> None:
    fine = np.indices((64, 64)).sum(0)[..., None] % 2 * np.ones(3)
    assert parts.resampled(fine.astype(np.float32), 0.5).std() < 0.1 * fine.std()
    slope = np.broadcast_to(np.linspace(0, 1, 64)[None, :, None], (64, 64, 3)).astype(np.float32)
    inner = (slice(None), slice(4, -4))  # at the border a cubic kernel is cut
    assert np.abs(parts.resampled(slope, 0.5)[inner] - slope[inner]).max() < 2.5 / 255


def test_a_scale_of_one_leaves_the_image(image: parts.Picture) -> None:
    assert parts.resampled(image, 1.0) is image


def test_compression_loses_more_at_lower_quality(image: parts.Picture) -> None:
    smooth = parts.blurred(image, 2)
    lost = [
        float(np.square(parts.compressed(smooth, quality) - smooth).mean())
        for quality in (95, 60, 10)
    ]
    assert lost[0] < lost[1] < lost[2]
    assert lost[0] < 1e-3


def test_colours_at_half_size_lose_colour_and_keep_brightness() -> None:
    """Stripes of one column, of two colours equally bright, as JPEG weighs red and green."""
    stripes = flat(0.5)
    stripes[:, ::2, 0], stripes[:, ::2, 1] = 0.7, 0.5 - 0.2 * 0.299 / 0.587
    whole = parts.compressed(stripes, 95, subsampled=False)
    halved = parts.compressed(stripes, 95, subsampled=True)
    assert whole[..., 0].std() > 0.08
    assert halved[..., 0].std() < 0.03
