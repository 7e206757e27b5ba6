"""The step that cuts classes."""

import pytest
import torch
from torch import nn

from mobilekit.compress.base import Context
from mobilekit.compress.steps.specialize import Specialize
from mobilekit.core.errors import NoEffectError, RecipeError


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def context(*labels: str) -> Context:
    return Context((torch.zeros(1, 1, 8, 8),), labels=labels)


def test_the_report_says_which_classes_are_left() -> None:
    net = network()
    smaller, report = Specialize(keep=("horse", "cat")).apply(net, context("cat", "dog", "horse"))
    assert torch.equal(smaller[3].weight, net[3].weight[[0, 2]])
    assert report.kept_classes == (0, 2)
    assert report.class_names == ("cat", "horse")
    assert (report.params_before, report.params_after) == (55, 50)
    assert net[3].out_features == 3


def test_names_of_classes_are_needed_and_must_fit() -> None:
    with pytest.raises(RecipeError, match="names of the network's classes are not known"):
        Specialize(keep=("cat",)).apply(network(), context())
    step = Specialize(keep=("ct",), classes=("cat", "dog", "horse"))
    with pytest.raises(RecipeError, match="Did you mean cat"):
        step.apply(network(), context())
    with pytest.raises(NoEffectError):
        Specialize(keep=("a", "b", "c")).apply(network(), context("a", "b", "c"))
