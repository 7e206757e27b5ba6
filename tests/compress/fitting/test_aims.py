"""What cross-entropy is asked for: classes counted, weights and smooth labels by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mobilekit.compress.fitting.aims import Aim, aim_of, class_counts, class_weights
from mobilekit.compress.fitting.course import Course
from mobilekit.compress.fitting.fit import fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.fitting.tasks import task_loss
from mobilekit.core.errors import RecipeError
from mobilekit.data.task import Labelled, Sample
from tests.compress.fitting.material import context, drawn, labelled, plain


class Stripes(Dataset[Sample]):
    """Image `i` has `i` pixels of a thing, one that is not judged, and is else background."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        self.asked.append(index)
        target = torch.zeros(4, 5, dtype=torch.int64)
        target.view(-1)[:index] = 1
        target[3, 4] = 255
        return torch.zeros(1, 4, 5), target


def stripes(count: int) -> Labelled:
    return Labelled("segmentation", ("background", "thing", "never"), Stripes(count), "stripes")


def test_labelled_pixels_are_counted() -> None:
    things = sum(range(10))
    assert class_counts(stripes(10)).tolist() == [10 * 19 - things, things, 0]


def test_classes_are_counted() -> None:
    assert class_counts(labelled(70)).tolist() == [24, 23, 23]


def test_samples_are_evenly_spaced() -> None:
    data = stripes(10)
    counts = class_counts(data, most=4)
    assert isinstance(data.images, Stripes)
    assert data.images.asked == [0, 2, 5, 7]
    assert int(counts[1]) == 14


@pytest.mark.parametrize("exponent", [0.35, 1.0])
def test_weights_are_powers_of_the_frequency_with_a_mean_of_one(exponent: float) -> None:
    found = class_weights(torch.tensor([90, 9, 1]), exponent)
    raw = [share**-exponent for share in (0.90, 0.09, 0.01)]
    torch.testing.assert_close(found, torch.tensor([each * 3 / sum(raw) for each in raw]))


def test_class_that_was_not_seen_counts_as_seen_once() -> None:
    found = class_weights(torch.tensor([4, 0]), 1.0)
    assert found.tolist() == pytest.approx([0.4, 1.6])


class Says(nn.Module):
    """Returns the same logits for anything."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, _: Tensor) -> Tensor:
        return self.logits


def test_weighted_loss_is_the_weighted_mean() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    aim = Aim(weights=torch.tensor([0.5, 1.5]))
    found = task_loss("classification", Says(logits), torch.zeros(2), torch.tensor([0, 1]), aim)
    expected = (0.5 * math.log(4) + 1.5 * math.log(2)) / 2.0
    assert float(found) == pytest.approx(expected)


def test_pixels_are_weighed_and_smoothed_where_they_are_judged() -> None:
    logits = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 3, (1, 4, 5), generator=torch.Generator().manual_seed(1))
    target[0, 0] = 255
    weights = torch.tensor([0.5, 1.0, 1.5])
    found = task_loss("segmentation", Says(logits), torch.zeros(1), target, Aim(0.2, weights))
    total = norm = 0.0
    for row in range(1, 4):
        for column in range(5):
            logs = logits[0, :, row, column].log_softmax(0)
            true = int(target[0, row, column])
            total -= float(0.8 * weights[true] * logs[true] + 0.2 / 3 * (weights * logs).sum())
            norm += float(weights[true])
    assert float(found) == pytest.approx(total / norm, rel=1e-5)


def test_nothing_asked_for_is_plain_cross_entropy() -> None:
    aim = aim_of(labelled(9), 0.0, 0.0)
    assert aim.weights is None
    assert aim.label_smoothing == 0


def test_detectors_have_losses_of_their_own() -> None:
    boxes = Labelled("detection", ("thing",), Stripes(1), "boxes")
    with pytest.raises(RecipeError, match="train: label_smoothing is for cross-entropy"):
        aim_of(boxes, 0.1, 0.0)
    with pytest.raises(RecipeError, match="train: class_weights is for cross-entropy"):
        aim_of(boxes, 0.0, 1.0)


class Rare(Dataset[Sample]):
    """Images that are all alike; one in twenty is called rare."""

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> Sample:
        return torch.ones(1, 8, 8), torch.tensor(int(index % 20 == 0))


@pytest.mark.parametrize(("exponent", "expected"), [(0.0, 0.05), (1.0, 0.5)])
def test_rare_classes_are_taken_for_likely_as_they_weigh(exponent: float, expected: float) -> None:
    """Of what cannot be told apart, a network says the weighted frequency."""
    chances = context()
    assert chances.training is not None
    data = Labelled("classification", ("often", "rare"), Rare(), "rare")
    training = replace(chances.training, train=data, test=data)
    network = plain()
    network[4] = drawn(nn.Linear(128, 2))
    course = Course(15, 20, OptimizerConfig("adam", 5e-3), class_weights=exponent)
    _, notes = fit(network, [], course, replace(chances, training=training))
    weighed = {0.0: (), 1.0: ("classes weigh: often 0.1, rare 1.9",)}
    assert notes == weighed[exponent]
    with torch.no_grad():
        said = network(data[0][0][None]).softmax(1)[0, 1]
    assert float(said) == pytest.approx(expected, abs=0.05)
