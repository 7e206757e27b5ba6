"""Figures against torchmetrics, and against cases that one counts by hand."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_f1_score, multiclass_jaccard_index

from mobilekit.core.errors import DataError
from mobilekit.data.digits import digits
from mobilekit.data.face_labels import FACE_LABELS
from mobilekit.data.scores import ClassScores, Flicker, PixelScores, scorer
from mobilekit.data.scores.boundaries import boundary_f
from mobilekit.data.shapes import shapes


def logits_of(found: torch.Tensor, classes: int) -> torch.Tensor:
    """Return logits `[N, C, H, W]` whose greatest is the class found."""
    return torch.nn.functional.one_hot(found, classes).movedim(-1, 1).float()


def test_pixels_are_scored_as_torchmetrics_does() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = ("background", "a", "b", "c")
    found, right = (torch.randint(0, 4, (5, 16, 16), generator=generator) for _ in range(2))
    scores = PixelScores(classes)
    scores.update(logits_of(found[:2], 4), right[:2])
    scores.update(logits_of(found[2:], 4), right[2:])
    result = scores.scored()
    f1 = multiclass_f1_score(found, right, 4, average="none")
    iou = multiclass_jaccard_index(found, right, 4, average="none")
    for number, name in enumerate(classes):
        assert result.per_class[name]["f1"] == pytest.approx(float(f1[number]), abs=1e-6)
        assert result.per_class[name]["iou"] == pytest.approx(float(iou[number]), abs=1e-6)
    assert result.figures["mean_f1"] == pytest.approx(float(f1[1:].mean()), abs=1e-6)
    assert result.figures["mean_iou"] == pytest.approx(float(iou.mean()), abs=1e-6)
    assert result.figures["pixel_accuracy"] == pytest.approx(float((found == right).float().mean()))
    assert "overall_f1" not in result.figures


def test_overall_f1_pools_the_inner_parts() -> None:
    """20 pixels of skin do not count; a left brow found right is a brow; of two lips one is skin."""
    right = torch.zeros(1, 4, 8, dtype=torch.int64)
    right[0, 0] = 1
    right[0, 1, :4], right[0, 1, 4:] = 2, 3
    right[0, 2, :2] = 7
    found = right.clone()
    found[0, 1] = 2
    found[0, 2, 0] = 1
    scores = PixelScores(FACE_LABELS)
    scores.see(found, right)
    # found: 8 brow pixels and 1 lip; right: 8 and 2; both: 9
    assert scores.scored().figures["overall_f1"] == pytest.approx(2 * 9 / (9 + 10))
    assert scores.scored().per_class["right brow"]["f1"] == 0.0
    assert "nose" not in scores.scored().per_class


def test_pixels_that_are_not_judged_do_not_count() -> None:
    right = torch.full((1, 4, 4), 255)
    right[0, 0] = 1
    scores = PixelScores(("background", "a"))
    scores.see(torch.ones(1, 4, 4, dtype=torch.int64), right)
    assert scores.scored().figures["pixel_accuracy"] == 1.0
    assert scores.scored().per_class["a"]["f1"] == 1.0


def test_logits_are_scaled_to_the_target() -> None:
    right = torch.zeros(1, 8, 8, dtype=torch.int64)
    right[0, :, 4:] = 1
    scores = PixelScores(("background", "a"))
    scores.update(logits_of(right[:, ::2, ::2], 2), right)
    assert scores.scored().figures["mean_f1"] == 1.0


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 1.0), (12, 0.0)])
def test_outlines_count_within_a_pixel(shift: int, expected: float) -> None:
    square = np.zeros((64, 64), bool)
    square[10:14, 10:14] = True
    moved = np.roll(square, shift, (0, 1))
    assert boundary_f(moved, square) == expected


def test_half_of_an_outline() -> None:
    """Of two squares one is found: all that is found is right, and half of what there is."""
    two = np.zeros((64, 64), bool)
    two[5:15, 5:15] = two[40:50, 40:50] = True
    one = two.copy()
    one[30:] = False
    assert boundary_f(one, two) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert boundary_f(one & False, two & False) is None
    assert boundary_f(one & False, two) == 0.0
    assert boundary_f(np.ones((9, 9), bool), np.ones((9, 9), bool)) is None  # the frame is no line


def test_two_classes_have_an_area_under_the_curve() -> None:
    """Pairs of a real and a fake image in the right order, ties counted half."""
    generator = np.random.default_rng(1)
    margin = np.round(generator.normal(size=60), 1)
    target = (margin + generator.normal(size=60) > 0).astype(np.int64)
    logits = torch.from_numpy(np.stack([np.zeros(60), 20 * margin], 1)).float()
    scores = ClassScores(("real", "fake"))
    scores.update(logits[:20], torch.from_numpy(target[:20]))
    scores.update(logits[20:], torch.from_numpy(target[20:]))
    first, second = margin[target == 1][:, None], margin[target == 0][None]
    expected = float(((first > second) + 0.5 * (first == second)).mean())
    result = scores.scored()
    assert result.figures["roc_auc"] == pytest.approx(expected, abs=1e-6)
    assert result.figures["accuracy"] == pytest.approx(float(((margin > 0) == target).mean()))
    losses = np.logaddexp(0, np.where(target == 1, -20 * margin, 20 * margin))
    assert result.figures["loss"] == pytest.approx(float(losses.mean()), rel=1e-4)
    assert set(result.per_class) == {"real", "fake"}


def test_one_class_alone_has_no_curve() -> None:
    scores = ClassScores(("real", "fake"))
    scores.update(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64))
    assert "roc_auc" not in scores.scored().figures
    assert "fake" not in scores.scored().per_class


def test_only_what_stands_still_flickers() -> None:
    right = torch.zeros(3, 2, 4, dtype=torch.int64)
    right[:, 0] = 1
    right[1:, 0, 0] = 0  # one pixel moves after the first frame
    found = right.clone()
    found[1, 0, 3] = 0  # one of a face's seven still ones changes, and changes back
    flicker = Flicker(("background", "face"))
    flicker.see(found, right)
    # still: 3 + 3 of the face, 4 + 5 of the background; changed: 1 in each step
    assert flicker.scored().per_class["face"]["flicker"] == pytest.approx(2 / 6)
    assert flicker.scored().figures == {"flicker": pytest.approx(2 / 15), "face_flicker": 2 / 6}


def test_each_task_has_its_scorer() -> None:
    assert isinstance(scorer(digits("test", 2)), ClassScores)
    assert isinstance(scorer(shapes("segmentation", "test", 2)), PixelScores)
    with pytest.raises(DataError, match="detection has no scores"):
        scorer(shapes("detection", "test", 2))
