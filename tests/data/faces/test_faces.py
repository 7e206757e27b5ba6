"""Drawn faces: the same everywhere, exact, different enough that colour and place do not tell the parts."""

import hashlib
import itertools
import logging
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mobilekit.core.errors import DataError
from mobilekit.data.catalog import open_data, read_data
from mobilekit.data.face_labels import FACE_LABELS, HELEN_LABELS
from mobilekit.data.faces import Portraits, clip, faces
from mobilekit.data.faces.clips import walk
from mobilekit.data.faces.face import draw_face
from mobilekit.data.faces.ranges import EVERYDAY
from mobilekit.data.faces.render import render
from mobilekit.data.scores import PixelScores

DIGEST = """
import hashlib
from mobilekit.data.faces import faces
data = faces("train", 9, 48, seed=3)
found = hashlib.sha256()
for index in (7, 2):
    image, target = data[index]
    found.update(image.numpy().tobytes() + target.numpy().tobytes())
print(found.hexdigest())
"""


def test_another_process_draws_the_same_bits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True
    )
    data = faces("train", 9, 48, seed=3)
    data[5]
    found = hashlib.sha256()
    for index in (7, 2):
        image, target = data[index]
        found.update(image.numpy().tobytes() + target.numpy().tobytes())
    assert done.stdout.strip() == found.hexdigest()


def test_images_and_classes_have_their_shapes_and_ranges() -> None:
    data = faces("test", 6, 64)
    assert data.classes == FACE_LABELS
    assert data.provenance == "faces 64 × 64, drawn here (seed 0, 6 test)"
    seen = set()
    for index in range(6):
        image, target = data[index]
        assert isinstance(target, torch.Tensor)
        assert image.shape == (3, 64, 64)
        assert image.dtype == torch.float32
        assert 0 <= float(image.min()) < float(image.max()) <= 1
        assert target.shape == (64, 64)
        assert target.dtype == torch.int64
        seen |= set(target.unique().tolist())
    assert seen == set(range(10))
    with pytest.raises(IndexError):
        data[6]


@pytest.mark.parametrize("style", ["faces", "faces-hard"])
def test_splits_seeds_and_styles_share_no_face(style: str) -> None:
    drawn = [
        faces(split, 1, 32, seed, style)[0][0]  # type: ignore[arg-type]
        for split in ("train", "test")
        for seed in (0, 1)
    ]
    drawn.append(faces("train", 1, 32, 0, "faces-hard" if style == "faces" else "faces")[0][0])
    for place, one in enumerate(drawn):
        assert not any(torch.equal(one, other) for other in drawn[place + 1 :])


def test_an_image_does_not_depend_on_how_many_there_are() -> None:
    assert torch.equal(faces("train", 3, 32)[2][0], faces("train", 300, 32)[2][0])


def test_the_box_and_the_key_points_lie_on_the_face() -> None:
    """The box is of brows, jaw and chin: what is seen of skin and parts lies in it, but for ears and brow."""
    portraits = Portraits("train", 20, 96)
    for index in range(20):
        portrait = portraits[index]
        left, top, right, bottom = portrait.box
        assert 0.3 * 96 < max(right - left, bottom - top) < 0.9 * 96
        for number in (4, 5, 6, 7, 8, 9):
            rows, columns = np.nonzero(portrait.labels == number)
            if len(rows):
                assert left - 3 <= columns.min()
                assert columns.max() <= right + 3
                assert rows.max() <= bottom + 3
        assert portrait.points.shape == (6, 2)
    frontal = [portraits[index] for index in range(20)]
    hits = 0
    for portrait in frontal:
        x, y = portrait.points[1].round().astype(int)
        inside = 0 <= x < 96 and 0 <= y < 96
        name = HELEN_LABELS[portrait.labels[y, x]] if inside else ""
        hits += name in {"left eye", "background", "skin", "hair"}  # shut, or behind something
    assert hits == 20


def test_left_is_the_person_s_own() -> None:
    """The left eye is on the right of the image."""
    portraits = Portraits("test", 30, 64)
    sides = []
    for index in range(30):
        labels = portraits[index].labels
        left, right = (
            np.nonzero(labels == HELEN_LABELS.index(f"{side} eye"))[1] for side in ("left", "right")
        )
        if len(left) > 4 and len(right) > 4:
            sides.append(left.mean() > right.mean())
    assert len(sides) > 10
    assert all(sides)


def test_another_person_takes_the_same_pose() -> None:
    one, other = (draw_face(np.random.default_rng(seed), EVERYDAY) for seed in (1, 2))
    swapped = replace(other, pose=one.pose, expression=one.expression, light=one.light)
    first, second = render(one, 64), render(swapped, 64)
    assert np.abs(first.points[:2] - second.points[:2]).max() < 12
    assert not np.array_equal(first.image, second.image)


def test_colour_and_place_do_not_tell_the_parts() -> None:
    """What the colour and the place of one pixel say stays at 0.45 mean F1: the rest has to be seen."""
    learn, judge = faces("train", 160, 48), faces("test", 60, 48)
    features, classes = pixels(learn)
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(5, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )  # fmt: skip
    for part in network:
        if isinstance(part, torch.nn.Linear):
            torch.nn.init.kaiming_uniform_(part.weight, generator=generator)
    counts = torch.bincount(classes, minlength=10).float()
    weights = (counts / counts.sum()) ** -0.5
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(400):
        rows = torch.randint(0, len(classes), (4096,), generator=generator)
        loss = torch.nn.functional.cross_entropy(network(features[rows]), classes[rows], weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores = PixelScores(FACE_LABELS)
    others, right = pixels(judge)
    with torch.no_grad():
        found = network(others).argmax(1)
    scores.see(found.view(-1, 48, 48), right.view(-1, 48, 48))
    f1 = scores.scored().figures["mean_f1"]
    logging.getLogger(__name__).info("mean F1 of colour and place: %.3f", f1)
    assert 0.1 < f1 <= 0.45


def pixels(data: object) -> tuple[torch.Tensor, torch.Tensor]:
    """Return colour and place of each pixel, about in ±1, and its class."""
    grid = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 48)] * 2, indexing="ij"))
    features, classes = [], []
    for index in range(len(data)):  # type: ignore[arg-type]
        image, target = data[index]  # type: ignore[index]
        features.append(torch.cat([image * 2 - 1, grid]).flatten(1).T)
        classes.append(target.flatten())
    return torch.cat(features), torch.cat(classes)


def test_frames_of_a_clip_go_on_from_each_other() -> None:
    frames = walk(2, 12, 48, seed=1)
    assert all(
        np.array_equal(one.image, other.image)
        for one, other in zip(frames, walk(2, 12, 48, seed=1), strict=True)
    )
    still = [(one.labels == other.labels).mean() for one, other in itertools.pairwise(frames)]
    assert min(still) > 0.8
    assert any(share < 1 for share in still)
    others = walk(3, 1, 48, seed=1)[0]
    assert (others.labels == frames[0].labels).mean() < 0.9


@pytest.mark.parametrize(
    ("style", "wanted"), [("faces", "39fed9df748a9844"), ("faces-hard", "07d40b75e30ef76f")]
)
def test_a_clip_is_the_same_on_any_machine(style: Any, wanted: str) -> None:
    one = clip(1, 3, 48, 5, style)
    found = hashlib.sha256()
    for image in one.images:
        pixels = (image * 255).round()
        torch.testing.assert_close(pixels / 255, image, rtol=0, atol=0)  # 8 bits, exactly
        found.update(pixels.to(torch.uint8).numpy().tobytes())
    found.update(one.classes.to(torch.uint8).numpy().tobytes())
    assert found.hexdigest()[:16] == wanted


def test_a_resting_head_is_taken_with_other_noise() -> None:
    taken, portraits = clip(0, 14, 32), walk(0, 14, 32)
    assert taken.images.shape == (14, 3, 32, 32)
    assert taken.classes.shape == (14, 32, 32)
    rests = [
        place
        for place in range(13)
        if np.array_equal(portraits[place].image, portraits[place + 1].image)
    ]
    assert rests
    for place in rests:
        assert torch.equal(taken.classes[place], taken.classes[place + 1])
        assert not torch.equal(taken.images[place], taken.images[place + 1])


def test_recipes_and_commands_name_them() -> None:
    _, hard = open_data(read_data("faces:faces-hard"))
    assert hard.provenance.startswith("faces-hard 96 × 96")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"style": "face-hard"}, "the style is faces or faces-hard"),
        ({"size": 8}, "size must be 16 to 512 pixels, not 8"),
        ({"count": 0}, "count must be at least 1"),
        ({"split": "val"}, "the split is train or test"),
    ],
)
def test_what_cannot_be_drawn(options: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        faces(**{"split": "train", "count": 1, "size": 32, **options})  # type: ignore[arg-type]


def test_clips_that_cannot_be() -> None:
    for wrong in ({"index": -1}, {"index": 0, "frames": 0}):
        with pytest.raises(DataError, match="of 1 frame or more"):
            clip(**wrong)
    with pytest.raises(DataError, match="the style is"):
        clip(0, style="soft")  # type: ignore[arg-type]
