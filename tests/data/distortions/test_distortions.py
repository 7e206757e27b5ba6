"""Distortions keep their ranges, and depend on their generator alone."""

import io
import math

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from mobilekit.core.errors import DataError
from mobilekit.data.distortions import (
    THIRDS,
    Contrast,
    Cutout,
    GaussianNoise,
    Jpeg,
    MotionBlur,
    Progressive,
    Warp,
    Zoom,
    distorted,
)
from mobilekit.data.distortions.applying import applied
from mobilekit.data.distortions.motion import along_line, line


@pytest.fixture
def image() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(4).random((3, 40, 56), np.float32))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_the_same_generator_gives_the_same_image(image: torch.Tensor, stage: int) -> None:
    before, state = image.clone(), torch.random.get_rng_state()
    one, same, other = (distorted(image, stage, rng(seed)) for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == image.shape
    assert torch.equal(image, before)
    assert torch.equal(torch.random.get_rng_state(), state)


@given(
    seed=st.integers(0, 2**32), stage=st.sampled_from([0, 1, 2]), channels=st.sampled_from([1, 3])
)
def test_levels_stay_between_black_and_white(seed: int, stage: int, channels: int) -> None:
    image = torch.from_numpy(rng(seed).random((channels, 24, 24), np.float32))
    found = distorted(image, stage, rng(seed))
    assert found.shape == image.shape
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_images_grow_harder(image: torch.Tensor) -> None:
    """With geometry and contrast, which are the same in each third, left out."""
    smooth = torch.from_numpy(ndimage.gaussian_filter(image.numpy(), (0, 2, 2)))
    lists = [tuple(one for one in THIRDS.at(stage) if one.p == 0.3) for stage in (0, 1, 2)]
    far = []
    for some in lists:
        plan = Progressive(some, some, some)
        errors = [(distorted(smooth, 0, rng(i), plan) - smooth).abs().mean() for i in range(100)]
        far.append(float(torch.stack(errors).mean()))
    assert far[0] < 0.75 * far[1]
    assert far[1] < 0.75 * far[2]


def test_a_distortion_comes_with_its_probability(image: torch.Tensor) -> None:
    never = Progressive((Cutout(9, 9, p=0),), (Cutout(9, 9, p=0.3),), (Cutout(9, 9, p=1),))
    counts = [
        sum(not torch.equal(distorted(image, stage, rng(i), never), image) for i in range(400))
        for stage in (0, 1, 2)
    ]
    assert counts[0] == 0
    assert abs(counts[1] - 120) < 5 * math.sqrt(400 * 0.3 * 0.7)
    assert counts[2] == 400


def test_the_thirds_are_those_of_the_thesis() -> None:
    found = [{type(one): one for one in THIRDS.at(stage)} for stage in (0, 1, 2)]
    assert [some[MotionBlur].limit for some in found] == [3, 7, 9]
    assert [some[GaussianNoise].variance for some in found] == [(25, 50), (50, 100), (25, 200)]
    assert [some[Jpeg].quality for some in found] == [(50, 90), (30, 80), (20, 70)]
    assert [(some[Cutout].holes, some[Cutout].side) for some in found] == [(3, 3), (7, 7), (9, 9)]


def test_configurations_survive_json_and_refuse_unknown_words() -> None:
    again = msgspec.json.decode(msgspec.json.encode(THIRDS), type=Progressive)
    assert again == THIRDS
    with pytest.raises(msgspec.ValidationError, match="qualty"):
        msgspec.convert({"first": [{"kind": "jpeg", "qualty": [1, 2]}]}, Progressive)


@pytest.mark.parametrize("angle", [0.0, math.pi / 2, math.pi / 4])
def test_a_dot_becomes_a_line(angle: float) -> None:
    dot = torch.zeros(1, 15, 15)
    dot[0, 7, 7] = 1
    found = along_line(dot, 9, angle)[0].double()
    assert float(found.sum()) == pytest.approx(1)
    places = torch.arange(15, dtype=torch.float64) - 7
    down = float((found.sum(1) * places**2).sum().sqrt())
    across = float((found.sum(0) * places**2).sum().sqrt())
    way = math.sqrt(down**2 + across**2)
    # n = 65 places evenly from -4 to 4 have the variance 16/3 · (n + 1)/(n - 1); that of bilinear
    # interpolation, at most 1/4 in each direction, comes on top.
    least = 16 / 3 * 66 / 64
    assert math.sqrt(least) - 1e-6 <= way <= math.sqrt(least + 0.5)
    assert math.atan2(down, across) == pytest.approx(angle, abs=0.2)


@given(length=st.sampled_from([3, 5, 7, 9]), angle=st.floats(0, math.pi))
def test_a_kernel_is_symmetric_with_sum_one(length: int, angle: float) -> None:
    kernel = line(length, angle)
    assert float(kernel.sum()) == pytest.approx(1)
    assert torch.allclose(kernel, kernel.flip(0, 1))


def test_noise_has_its_variance() -> None:
    grey = torch.full((3, 200, 200), 0.5)
    found = applied(grey, GaussianNoise((100, 100)), rng()) - grey
    assert float(found.double().var() * 255**2) == pytest.approx(100, rel=0.02)


def test_compression_is_that_of_pillow(image: torch.Tensor) -> None:
    found = applied(image, Jpeg((70, 70)), rng())
    stream = io.BytesIO()
    levels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(levels).save(stream, "JPEG", quality=70)
    expected = np.asarray(Image.open(stream), np.int16)
    difference = np.abs((found * 255).round().permute(1, 2, 0).numpy() - expected)
    assert difference.mean() < 1  # two builds of libjpeg round differently


def test_cutout_blackens_squares_of_its_side() -> None:
    white = torch.ones(3, 40, 56)
    black = applied(white, Cutout(holes=1, side=7), rng())[0] == 0
    assert int(black.sum()) == 49
    rows, columns = black.any(1).nonzero(), black.any(0).nonzero()
    assert int(rows.max() - rows.min()) == int(columns.max() - columns.min()) == 6


def test_geometry_shows_no_border() -> None:
    white = torch.ones(3, 40, 56)
    for seed in range(60):
        for one in (Warp(), Zoom((1.0, 1.5))):
            assert float(applied(white, one, rng(seed)).min()) > 1 - 1e-5


def test_zoom_of_one_and_a_small_warp_change_little(image: torch.Tensor) -> None:
    smooth = torch.from_numpy(ndimage.gaussian_filter(image.numpy(), (0, 3, 3)))
    assert torch.allclose(applied(smooth, Zoom((1, 1)), rng()), smooth, atol=1e-5)
    moved = (applied(smooth, Warp(0.01), rng()) - smooth).abs().max()
    assert 1e-5 < float(moved) < 0.05


def test_contrast_moves_levels_from_their_mean(image: torch.Tensor) -> None:
    calm = 0.4 + 0.2 * image
    factors = [
        float(applied(calm, Contrast(0.2), rng(seed)).std() / calm.std()) for seed in range(100)
    ]
    assert 0.8 - 1e-3 <= min(factors) < 0.85
    assert 1.19 < max(factors) <= 1.25 + 1e-3


def test_wrong_requests_are_refused(image: torch.Tensor) -> None:
    with pytest.raises(DataError, match="stage is 0, 1 or 2, not 3"):
        distorted(image, 3, rng())  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"not uint8 \[3, 40, 56\]"):
        distorted(image.byte(), 0, rng())
    with pytest.raises(DataError, match=r"\[2, 40, 56\]"):
        distorted(image[:2], 0, rng())
