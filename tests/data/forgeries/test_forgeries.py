"""Forgeries: what is spliced is known exactly, the rest is as in a real image, and statistics do not tell them."""

import hashlib
import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize

from mobilekit.core.errors import DataError
from mobilekit.data.camera.parts import blurred
from mobilekit.data.catalog import open_data, read_data
from mobilekit.data.faces.ranges import EVERYDAY
from mobilekit.data.forgeries import forgeries
from mobilekit.data.forgeries.blending import Edge, blended, seamless, softened
from mobilekit.data.forgeries.dataset import Forgeries
from mobilekit.data.forgeries.drawn import sitting_of
from mobilekit.data.forgeries.mismatch import coloured, draw_colours, toned_as
from mobilekit.data.forgeries.moving import Move, draw_move, moved
from mobilekit.data.forgeries.region import hull, region
from mobilekit.data.forgeries.splices import Face, forged, untouched
from mobilekit.data.task import Labelled
from tests.data.forgeries.faces import sitting

SPLICES = ("self", "swap", "parts", "seamless")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_half_are_fake_and_an_image_is_the_same_in_any_order() -> None:
    data, again = (forgeries("train", 20, 48, seed=2) for _ in range(2))
    assert data.classes == ("real", "fake")
    assert isinstance(data.images, Forgeries)
    kinds = [int(data[index][1]) for index in range(20)]  # type: ignore[arg-type]
    assert sum(kinds) == 10
    assert [tuple(data.labels_of(index)) for index in range(20)] == [(kind,) for kind in kinds]
    for index in (13, 4):
        image, target = again[index]
        assert torch.equal(image, data[index][0])
        assert target == kinds[index]
        assert image.shape == (3, 48, 48)
        assert 0 <= float(image.min()) < float(image.max()) <= 1
    assert not torch.equal(data[0][0], forgeries("test", 20, 48, seed=2)[0][0])
    with pytest.raises(IndexError):
        data[20]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("self", "8322c5d6ae037875"),
        ("swap", "acbb5c88213d139b"),
        ("parts", "ebd065d7e30a7123"),
        ("seamless", "a2079612261452d0"),
    ],
)
def test_splices_are_the_same_on_any_machine(kind: Any, wanted: str) -> None:
    data = forgeries("train", 6, 48, seed=5, splices=(kind,))
    found = hashlib.sha256()
    for index in range(6):
        image, label = data[index]
        assert isinstance(label, torch.Tensor)
        pixels = (image * 255).round().to(torch.uint8)
        found.update(pixels.numpy().tobytes() + bytes([int(label)]))
    assert found.hexdigest()[:16] == wanted


def test_masks_say_what_is_foreign() -> None:
    data = forgeries("train", 12, 48).images
    assert isinstance(data, Forgeries)
    for index in range(12):
        mask, (_, target) = data.mask(index), data[index]
        assert mask.shape == (48, 48)
        assert 0 <= float(mask.min()) <= float(mask.max()) <= 1
        assert bool(target) == bool(mask.max() > 0.3)
        assert (data.splice_of(index) is None) == (not target)


@pytest.mark.parametrize("kind", SPLICES)
def test_only_what_the_weights_say_is_replaced(kind: str) -> None:
    target, source = sitting(rng(1), 2)
    outcome = forged(kind, target, source, rng(3))  # type: ignore[arg-type]
    outside = outcome.weights == 0
    assert outside.any()
    noise = np.abs(outcome.image - target.image)
    assert noise[outside].max() < 6 * 0.015  # its own noise
    assert noise[outcome.weights > 0.7].mean() > 2 * noise[outside].mean()


def test_a_real_face_goes_the_way_of_a_forged_one_and_stays_itself() -> None:
    (face,) = sitting(rng(5), 1)
    for seed in range(6):
        outcome = untouched(face, rng(seed))
        assert not outcome.weights.any()
        assert np.abs(outcome.image - face.image).mean() < 0.03


@pytest.mark.parametrize("kind", ["self", "swap"])
def test_an_unknown_splice_and_a_map_without_a_face_are_refused(kind: str) -> None:
    face, other = sitting(rng(1), 2)
    with pytest.raises(DataError, match="a splice is self, swap, parts, seamless, not 'swop'"):
        forged("swop", face, other, rng())  # type: ignore[arg-type]
    empty = replace(face, labels=np.zeros_like(face.labels))
    with pytest.raises(DataError, match="shows no face"):
        forged(kind, empty, other, rng())  # type: ignore[arg-type]


def test_a_hull_is_convex_and_holds_its_mask() -> None:
    mask = rng(2).random((30, 30)) < 0.03
    found = hull(mask)
    assert (found | ~mask).all()
    rows, columns = np.nonzero(found)
    corners = np.column_stack([rows, columns])
    for _ in range(200):
        one, other = corners[rng(_).integers(len(corners), size=2)]
        middle = np.rint((one + other) / 2).astype(int)
        assert found[middle[0], middle[1]]


def test_regions_are_parts_of_the_face() -> None:
    labels = sitting(rng(), 1)[0].labels
    skin, inner, mouth = (region(labels, kind) for kind in ("skin", "inner", "mouth"))
    assert skin.sum() == (labels > 0).sum()
    assert mouth.sum() < inner.sum() < region(labels, "hull").sum()
    assert mouth[labels == 7].all()
    with pytest.raises(DataError, match="a region is"):
        region(labels, "ear")  # type: ignore[arg-type]


def test_a_mask_grows_and_shrinks_by_its_level() -> None:
    mask = np.zeros((64, 64), bool)
    mask[16:48, 16:48] = True
    sizes = [
        softened(mask, Edge(bend=0.03, level=level, softness=0.002, opacity=1.0)).sum()
        for level in (0.25, 0.5, 0.75)
    ]
    assert sizes[0] > sizes[1] > sizes[2]
    assert sizes[1] == pytest.approx(32 * 32, rel=0.05)
    assert softened(mask, Edge(0.03, 0.5, 0.002, 0.8)).max() == pytest.approx(0.8, abs=1e-6)


def test_a_seamless_blend_has_the_source_s_gradients_and_the_target_s_border() -> None:
    generator = rng(1)
    target = blurred(generator.random((24, 24, 3), np.float32), 2.0)
    source = np.clip(target * 0.5 + 0.2, 0, 1).astype(np.float32)
    mask = np.zeros((24, 24), bool)
    mask[6:18, 6:18] = True
    found = seamless(target, source, mask)
    assert np.array_equal(found[~mask], target[~mask])
    within = np.diff(found, axis=1)[8:16, 8:15]
    assert np.abs(within - np.diff(source, axis=1)[8:16, 8:15]).mean() < 0.02
    same = seamless(target, target + np.float32(0.1), mask)  # a constant is nothing to gradients
    assert np.abs(same - target).max() < 1e-5


def test_a_blend_is_linear_in_its_weights() -> None:
    one, other = (rng(seed).random((8, 8, 3), np.float32) for seed in (0, 1))
    weights = np.full((8, 8), 0.25, np.float32)
    assert np.allclose(blended(one, other, weights), 0.75 * one + 0.25 * other, atol=1e-6)


def test_tone_and_moves() -> None:
    target, source = sitting(rng(4), 2)
    mask = region(target.labels, "skin") & region(source.labels, "skin")
    alike = toned_as(source.image, target.image, mask, 1.0)
    assert np.abs(alike[mask].mean(0) - target.image[mask].mean(0)).max() < 0.03
    assert np.array_equal(toned_as(source.image, target.image, mask & False, 1.0), source.image)
    still = moved(target.image, Move(0.0, (1.0, 1.0), (0.0, 0.0)))
    assert np.abs(still - target.image).max() <= 0.5 / 255 + 1e-6
    shifted = moved(target.image, Move(0.0, (1.0, 1.0), (0.125, 0.0)))
    assert np.abs(shifted[8:] - target.image[:-8]).max() <= 1.5 / 255
    assert np.hypot(*draw_move(rng()).shift) >= 0.02
    changed = coloured(target.image, draw_colours(rng()))
    assert np.abs(changed - target.image).mean() > 0.02


def test_people_of_one_sitting_take_one_pose() -> None:
    one, other = sitting_of(EVERYDAY, 64)(rng(9), 2)
    assert isinstance(one, Face)
    assert one.image.dtype == np.float32
    shared = (one.labels > 0) & (one.labels < 10) & (other.labels > 0) & (other.labels < 10)
    assert shared.mean() > 0.08
    assert not np.array_equal(one.image, other.image)


def features(image: torch.Tensor) -> list[float]:
    """Return statistics of noise and of JPEG: what a detector must not get by with."""
    gray = image.mean(0).numpy().astype(np.float64)
    second = np.abs(
        gray[1:-1, 1:-1] * 4 - gray[:-2, 1:-1] - gray[2:, 1:-1] - gray[1:-1, :-2] - gray[1:-1, 2:]
    )
    height, width = second.shape
    centre = second[height // 4 : -height // 4, width // 4 : -width // 4]
    edge = np.concatenate([second[: height // 5].ravel(), second[-height // 5 :].ravel()])
    across = np.abs(np.diff(gray, axis=1))
    blocks = across[:, 7::8].mean() / across.mean()
    blocks_down = np.abs(np.diff(gray, axis=0))[7::8].mean() / np.abs(np.diff(gray, axis=0)).mean()
    spectrum = np.abs(np.fft.rfft2(gray - gray.mean()))
    high = spectrum[20:-20, 20:].mean() / spectrum.mean()
    colour = (image[0] - image[1]).numpy()
    return [
        np.log(second.mean()), np.log(np.median(second) + 1e-4), np.log(centre.mean()),
        np.log(centre.mean() / edge.mean()), blocks, blocks_down, np.log(high),
        np.log(np.abs(np.diff(colour)).mean() + 1e-4), gray.mean(), gray.std(),
    ]  # fmt: skip


def described(data: Labelled) -> tuple[np.ndarray, np.ndarray]:
    rows = [features(data[index][0]) for index in range(len(data))]
    fake = [int(*data.labels_of(index)) for index in range(len(data))]
    return np.array(rows), np.array(fake)


def test_noise_and_jpeg_do_not_tell_a_forgery() -> None:
    """Logistic regression on statistics of the whole image stays at 0.65 of the area under the curve."""
    learn, fake = described(forgeries("train", 400, 64))
    judge, right = described(forgeries("test", 300, 64))
    mean, deviation = learn.mean(0), learn.std(0)
    learn, judge = ((each - mean) / deviation for each in (learn, judge))

    def loss(weights: np.ndarray) -> float:
        margin = learn @ weights[1:] + weights[0]
        sign = np.where(fake == 1, margin, -margin)
        return float(np.logaddexp(0, -sign).mean() + 1e-3 * (weights**2).sum())

    weights = optimize.minimize(loss, np.zeros(learn.shape[1] + 1), method="L-BFGS-B").x
    scores = judge @ weights[1:]
    pairs = scores[right == 1][:, None] - scores[right == 0][None]
    area = float((pairs > 0).mean() + 0.5 * (pairs == 0).mean())
    logging.getLogger(__name__).info("area under the curve of noise and JPEG: %.3f", area)
    assert 0.35 < area <= 0.65


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"splices": ()}, "found none"),
        ({"splices": ("swap", "swap")}, "each once; found swap, swap"),
        ({"splices": ("swop",)}, "some of self, swap, parts, seamless"),
        ({"size": 16}, "size must be 32 to 512"),
        ({"count": 0}, "count must be at least 1"),
        ({"style": "soft"}, "the style is"),
    ],
)
def test_what_cannot_be_drawn(options: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        forgeries(**{"split": "train", "count": 2, **options})  # type: ignore[arg-type]


def test_recipes_and_commands_name_them() -> None:
    _, hard = open_data(read_data("forgeries:faces-hard"))
    assert hard.provenance.startswith("forgeries 96 × 96 by self and swap on faces-hard")
