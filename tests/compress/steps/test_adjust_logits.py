"""The oracle is arithmetic: scores before, plus e · log(share); and Bayes' rule on a problem that is known."""

import math

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from mobilekit.compress.base import Context, Training
from mobilekit.compress.steps.adjust_logits import AdjustLogits, adjust_logits, offsets
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from mobilekit.data.task import Labelled
from mobilekit.nets.warm import seeded


def labelled(counts: list[int], task: str = "classification") -> Labelled:
    targets = torch.cat([torch.full((count,), place) for place, count in enumerate(counts)])
    images = torch.zeros(len(targets), 1, 2, 2)
    samples = TensorDataset(images, targets)
    names = tuple("abcdef"[: len(counts)])
    return Labelled(task, names, samples, "counted here")


def context(data: Labelled | None, *inputs: torch.Tensor) -> Context:
    return Context(inputs, training=Training(data, data) if data else None)


def segmenter(classes: int = 3) -> nn.Module:
    with seeded(0):
        return nn.Sequential(
            nn.Conv2d(3, classes, 3),
            nn.ReLU(),
            nn.Conv2d(classes, classes, 1),
            nn.Upsample(scale_factor=2),
        )


def test_scores_move_by_the_logarithms_of_the_shares() -> None:
    net, images = segmenter(), torch.randn(2, 3, 8, 8)
    result, report = AdjustLogits(0.5).apply(net, context(labelled([6, 3, 1]), images))
    logs = [0.5 * math.log(count) for count in (6, 3, 1)]
    expected = torch.tensor([each - sum(logs) / 3 for each in logs]).view(1, 3, 1, 1)
    with torch.no_grad():
        assert torch.allclose(
            result(images) - net(images), expected.expand(2, 3, 12, 12), atol=1e-6
        )
    assert torch.equal(result[0].bias, net[0].bias)
    assert report.notes[0].startswith("2: a +")
    assert report.params_before == report.params_after


def test_weights_of_the_loss_are_taken_out_of_the_answers() -> None:
    """Bayes: a network trained to the end with weights w answers p · w; the shares are the p."""
    counts = torch.tensor([90.0, 9.0, 1.0])
    share, exponent = counts / counts.sum(), 0.35
    weighed = share * share.pow(-exponent)
    answers = (weighed / weighed.sum()).log()
    found = torch.softmax(answers + offsets(counts.long(), exponent), 0)
    assert torch.allclose(found, share, atol=1e-6)


def test_the_first_of_several_outputs_is_meant() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.score, self.other = nn.Linear(4, 2), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.score(x), self.other(x)

    net, given = Two(), torch.randn(5, 4)
    result, path = adjust_logits(net, (given,), torch.tensor([1.0, -1.0]))
    assert path == "score"
    assert torch.allclose(result(given)[0] - net(given)[0], torch.tensor([1.0, -1.0]).expand(5, 2))
    assert torch.equal(result(given)[1], net(given)[1])


def test_a_layer_that_does_not_make_the_scores_alone_is_refused() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    with pytest.raises(NoEffectError, match="0 does not make the scores alone"):
        adjust_logits(net, (torch.randn(5, 4),), torch.tensor([1.0, 0.0, -1.0]))
    with pytest.raises(NoEffectError, match="no linear or convolution layer"):
        adjust_logits(nn.Linear(4, 3, bias=False), (torch.randn(5, 4),), torch.ones(3))


def test_what_cannot_be_adjusted_is_said() -> None:
    images = torch.randn(2, 3, 8, 8)
    with pytest.raises(ModelError, match="the data has 2 classes"):
        AdjustLogits().apply(segmenter(), context(labelled([1, 1]), images))
    for data in (None, labelled([1, 1], "detection")):
        with pytest.raises(RecipeError, match="needs labelled images"):
            AdjustLogits().apply(segmenter(), context(data, images))
