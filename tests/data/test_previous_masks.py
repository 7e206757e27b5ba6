"""False masks of the frame before: exact where nothing moves, probabilities always."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from mobilekit.data import previous_masks
from mobilekit.data.augmentation.configs import PreviousMaskConfig
from mobilekit.data.previous_masks import (
    LOOSENESS,
    Kind,
    Looseness,
    drawn_kind,
    loosened,
    previous_mask,
    two_frames,
)


def face(size: int = 64) -> Tensor:
    """A square in the middle with a spot, and a border that is not judged."""
    target = torch.zeros(size, size, dtype=torch.int64)
    target[size // 4 : -size // 4, size // 4 : -size // 4] = 1
    target[size // 2, size // 2] = 2
    target[0] = 255
    return target


def truth(target: Tensor, classes: int) -> Tensor:
    plain = target.where(target != 255, 0)
    return functional.one_hot(plain, classes).permute(2, 0, 1).float()


@pytest.mark.parametrize("size", [16, 63, 96])
def test_nothing_moved_is_the_true_mask_to_the_bit(size: int) -> None:
    target = face(size)
    found = loosened(target, 3, Looseness(), np.random.default_rng(1))
    assert found.dtype == torch.float32
    assert torch.equal(found, truth(target, 3))


@pytest.mark.parametrize("channels", [1, 3])
def test_empty_is_zeros_as_before_the_first_frame(channels: int) -> None:
    found = previous_mask(face(), 3, channels, "empty", np.random.default_rng(0))
    assert torch.equal(found, torch.zeros(channels, 64, 64))


@pytest.mark.parametrize("kind", ["slight", "strong"])
def test_probabilities_add_to_one_and_one_channel_is_the_face(kind: Kind) -> None:
    many = previous_mask(face(), 3, 3, kind, np.random.default_rng(4))
    one = previous_mask(face(), 3, 1, kind, np.random.default_rng(4))
    assert many.shape == (3, 64, 64)
    assert float(many.min()) >= 0
    torch.testing.assert_close(many.sum(0), torch.ones(64, 64))
    assert one.shape == (1, 64, 64)
    torch.testing.assert_close(one[0], many[1] + many[2], rtol=0, atol=1e-6)


def test_shift_moves_by_what_is_drawn() -> None:
    target = face()
    found = loosened(target, 3, Looseness(shift=0.25), np.random.default_rng(2))
    right, down = np.random.default_rng(2).uniform(-1, 1, 4)[2:] * 0.25 * 64
    plain = target.where(target != 255, 0).numpy()
    expected = ndimage.shift(plain, (-down, -right), order=0, mode="nearest")
    assert np.array_equal(found.argmax(0).numpy(), expected)


def test_doubt_is_spread_evenly() -> None:
    found = loosened(face(), 4, Looseness(doubt=1.0), np.random.default_rng(3))
    generator = np.random.default_rng(3)
    generator.uniform(-1, 1, 4)
    generator.normal(0, 1, (16, 2))
    doubt = generator.random(2)[1]
    expected = truth(face(), 4) * (1 - doubt) + doubt / 4
    torch.testing.assert_close(found, expected.float())


def overlap(kind: Kind, seed: int) -> float:
    """Return the intersection over union of the face in the true and the false mask."""
    target = face()
    found = previous_mask(target, 3, 3, kind, np.random.default_rng(seed)).argmax(0) > 0
    true = (target > 0) & (target != 255)
    return float((found & true).sum() / (found | true).sum())


def test_strong_is_further_off_than_slight_and_neither_is_lost() -> None:
    slight, strong = ([overlap(kind, s) for s in range(40)] for kind in ("slight", "strong"))  # type: ignore[arg-type]
    assert min(slight) > 0.75
    assert np.mean(slight) > 0.87
    assert 0.3 < np.mean(strong) < 0.75
    assert np.mean(strong) < np.mean(slight) - 0.15


def test_same_state_same_bits() -> None:
    one, two = (previous_mask(face(), 3, 3, "strong", np.random.default_rng(9)) for _ in range(2))
    assert torch.equal(one, two)


def test_kinds_come_as_often_as_the_shares_say() -> None:
    generator, config = np.random.default_rng(0), PreviousMaskConfig(0.2, 0.4, 0.3, 0.1)
    drawn = [drawn_kind(config, generator) for _ in range(2000)]
    for kind, share in (("empty", 0.2), ("slight", 0.4), ("strong", 0.3), ("own", 0.1)):
        assert abs(drawn.count(kind) / 2000 - share) < 0.045  # four standard deviations  # type: ignore[arg-type]


def test_looseness_grows_from_slight_to_strong() -> None:
    slight, strong = (vars(LOOSENESS[kind]) for kind in ("slight", "strong"))
    assert all(strong[name] > slight[name] > 0 for name in slight)


def test_two_frames_have_noise_of_their_own() -> None:
    image = torch.full((3, 64, 64), 0.5)
    noises = []
    for seed in range(40):
        frames = two_frames(image, face(), np.random.default_rng(seed))
        now, before = (np.asarray(each - image).ravel() for each in frames[:2])
        assert frames[1].dtype == torch.float32
        assert now.std() == pytest.approx(before.std(), rel=0.1)
        assert abs(np.corrcoef(now, before)[0, 1]) < 0.05
        noises.append(now.std())
        again = two_frames(image, face(), np.random.default_rng(seed))
        assert all(map(torch.equal, frames, again))
    assert min(noises) < 0.01
    assert 0.04 < max(noises) < 0.052


def test_the_frame_before_is_moved_a_little_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previous_masks, "NOISE", 0.0)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    image = torch.stack([x, y]) / 64
    target = (x >= 32).long()
    resting = 0
    for seed in range(60):
        now, before, still = two_frames(image, target, np.random.default_rng(seed))
        assert torch.equal(now, image)
        was = (before[0] >= (31.5 / 64)).long()  # the nearest pixel's
        inside = still[8:56, 8:56]
        assert torch.equal((was == target)[8:56, 8:56], inside)
        moved = 64 * (before - now)[:, 8:56, 8:56].abs()
        resting += not bool(moved.any())
        assert float(moved.mean()) <= 0.9  # pixels
    assert 8 <= resting <= 28  # 18 expected, three standard deviations
