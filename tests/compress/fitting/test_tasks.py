"""Losses and metrics of each task, by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.fitting.tasks import check_fits, judge, metric_of, task_loss, value_of
from mobilekit.core.errors import ModelError
from mobilekit.data.task import Labelled
from tests.compress.fitting.material import labelled, plain


class Says(nn.Module):
    """Returns what it was given to say."""

    def __init__(self, words: object) -> None:
        super().__init__()
        self.words = words

    def forward(self, *_: object) -> object:
        return self.words


IMAGES = torch.zeros(2, 3, 4, 4)


def test_classification_is_cross_entropy_of_the_first_output() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    found = task_loss("classification", Says((logits, "more")), IMAGES, torch.tensor([0, 1]))
    assert float(found) == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_segmentation_counts_judged_pixels_and_auxiliary_outputs() -> None:
    logits = torch.zeros(2, 2, 4, 4)
    logits[:, 1] = math.log(3.0)
    target = torch.zeros(2, 4, 4, dtype=torch.int64)
    target[:, :2] = 255
    main = task_loss("segmentation", Says(logits), IMAGES, target)
    assert float(main) == pytest.approx(math.log(4))
    both = task_loss("segmentation", Says({"out": logits, "aux": logits}), IMAGES, target)
    assert float(both) == pytest.approx(1.4 * math.log(4))
    small = task_loss("segmentation", Says(logits[:, :, ::2, ::2]), IMAGES, target)
    assert float(small) == pytest.approx(math.log(4))


def test_detection_adds_what_the_network_loses() -> None:
    losses = {"boxes": torch.tensor(2.0), "classes": torch.tensor(0.5)}
    assert float(task_loss("detection", Says(losses), [IMAGES[0]], [{}])) == 2.5
    with pytest.raises(ModelError, match="returns its losses by name"):
        task_loss("detection", Says(torch.zeros(1)), [IMAGES[0]], [{}])


def test_outputs_of_another_rank_are_refused() -> None:
    with pytest.raises(ModelError, match=r"first output is \[2, 3, 4, 4\]; a classification needs"):
        task_loss("classification", Says(IMAGES), IMAGES, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"output is \[2, 3\]; a segmentation needs"):
        task_loss("segmentation", Says(torch.zeros(2, 3)), IMAGES, torch.zeros(2, 4, 4))


def test_accuracy_and_mean_intersection_over_union() -> None:
    metric = metric_of("classification", 3)
    logits = torch.eye(3)[[0, 1, 2, 2]]
    judge("classification", metric, logits, torch.tensor([0, 1, 1, 2]))
    assert value_of(metric) == 0.75
    metric = metric_of("segmentation", 2)
    target = torch.tensor([[[0, 0, 1, 255]]])
    maps = torch.tensor([[[[1.0, 0.0, 0.0, 1.0]], [[0.0, 1.0, 1.0, 0.0]]]])
    judge("segmentation", metric, {"out": maps}, target)
    assert value_of(metric) == pytest.approx((1 / 2 + 1 / 2) / 2)  # each class: 1 of 2 pixels


def test_average_precision_counts_boxes_that_overlap_by_half() -> None:
    metric = metric_of("detection", 2)
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    label = torch.ones(1, dtype=torch.int64)
    for shift in (2.0, 8.0):  # overlaps of 80/120 and of 20/180
        found = [
            {
                "boxes": box + torch.tensor([shift, 0, shift, 0]),
                "labels": label,
                "scores": torch.ones(1),
            }
        ]
        judge("detection", metric, found, [{"boxes": box, "labels": label}])
    assert value_of(metric) == pytest.approx(0.5, abs=0.01)  # 101 points of recall


def refused(network: nn.Module, data: Labelled, image: Tensor) -> str:
    with pytest.raises(ModelError) as found:
        check_fits(network, data, image)
    return str(found.value)


def test_network_and_data_are_compared_before_the_training() -> None:
    data, image = labelled(9), torch.zeros(1, 1, 8, 8)
    network = plain().train()
    check_fits(network, data, image)
    assert network.training
    assert "does not take the data's images [1, 3, 8, 8]" in refused(
        network, data, IMAGES.new_zeros(1, 3, 8, 8)
    )
    network[4] = nn.Linear(128, 7)
    assert refused(network, data, image) == (
        "the network's first output is [1, 7]; 9 dots has 3 classes (classification)"
    )
