"""Where activations are, told by hand for modules and plain functions, in place or not."""

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.compress.distillation.boundaries import (
    before_activations,
    boundaries,
    check_before,
)
from mobilekit.compress.distillation.capture import feature_shapes
from mobilekit.core.errors import NoEffectError, RecipeError

IMAGE = (torch.zeros(1, 3, 64, 64),)


class Mixed(nn.Module):
    """A function in place, one that is not, a sum before an activation, and one layer inside another."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.summed = nn.Conv2d(4, 4, 1)
        self.last = nn.Conv2d(4, 4, 1)
        self.act = nn.Hardswish(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu_(self.first(x))
        x = functional.gelu(self.block(x))
        y = self.summed(x)
        y += x  # in place: the tensor is the layer's, its values are not
        return self.act(self.last(y.relu()))


def test_layers_are_told_apart_by_what_is_done_with_their_outputs() -> None:
    found = boundaries(Mixed(), IMAGE)
    assert list(found.before) == ["first", "block.1", "last"]
    assert list(found.after) == ["act"]


def test_residual_networks_have_a_boundary_in_every_block() -> None:
    found = boundaries(torchvision.models.resnet18(), IMAGE)
    blocks = [f"layer{stage}.{block}.bn1" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert list(found.before) == ["bn1", *blocks]
    assert {"relu", "layer1", "layer1.0", "layer1.0.relu"} <= set(found.after)


def test_a_network_is_left_as_found() -> None:
    network = Mixed().train()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    boundaries(network, IMAGE)
    assert network.block[1].training
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_names_of_activations_are_refused_with_a_layer_that_would_do() -> None:
    network = Mixed()
    found, shapes = boundaries(network, IMAGE), feature_shapes(network, IMAGE)
    check_before("student", ["first", "block.1", "summed"], found, shapes)
    with pytest.raises(
        RecipeError, match=r"^activation_boundary: 'act' of the student returns what"
    ):
        check_before("student", ["act"], found, shapes)


def test_a_network_without_a_boundary_is_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    found, shapes = boundaries(network, IMAGE), feature_shapes(network, IMAGE)
    with pytest.raises(NoEffectError, match="no layer of the teacher hands its output to an activ"):
        before_activations("teacher", shapes, found)
