"""Hooks that watch, and go."""

import pytest
import torch
import torchvision
from torch import Tensor, nn

from mobilekit.compress.distillation.capture import captured, feature_shapes
from mobilekit.core.errors import ModelError


class Small(nn.Module):
    """A layer whose output the next overwrites, one that runs twice, one that returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.active = nn.ReLU(inplace=True)
        self.twice = nn.Hardtanh()
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.head = nn.Conv2d(4, 2, 1)
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(-1, 1, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        x = self.active(self.norm(self.conv(x)))
        x, _ = self.pool(self.twice(self.twice(x) - 0.5))
        return self.head(x)


def image() -> Tensor:
    return torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def test_outputs_are_those_before_a_layer_behind_overwrites_them() -> None:
    network = Small().eval()
    with captured(network, ["norm", "active"]) as outputs:
        network(image())
        norm, active = outputs["norm"], outputs["active"]
    expected = network.norm(network.conv(image()))
    assert torch.equal(norm, expected)
    assert (norm < 0).any()
    assert torch.equal(active, expected.relu())


def test_gradients_go_through_what_is_captured() -> None:
    network = Small().eval()
    with captured(network, ["norm"]) as outputs:
        network(image())
        outputs["norm"].square().sum().backward()
    found = network.conv.weight.grad.clone()
    network.zero_grad()
    network.norm(network.conv(image())).square().sum().backward()
    assert torch.equal(found, network.conv.weight.grad)
    assert network.head.weight.grad is None


def test_each_run_replaces_the_last() -> None:
    network = Small().eval()
    with captured(network, ["conv"]) as outputs:
        assert not outputs
        network(image())
        network(2 * image())
        assert torch.equal(outputs["conv"], network.conv(2 * image()))


def test_hooks_go_whatever_happens() -> None:
    network = Small()
    with captured(network, ["conv", "norm"]) as outputs:
        assert hooks(network) == 2
        network(image())
        assert len(outputs) == 2
    assert hooks(network) == 0
    assert not outputs
    with pytest.raises(ZeroDivisionError), captured(network, ["conv"]):
        raise ZeroDivisionError
    with (
        pytest.raises(ModelError, match=r"no layer .nrm.\. Did you mean norm"),
        captured(network, ["conv", "nrm"]),
    ):
        pass
    with pytest.raises(ModelError, match="'pool' returns tuple"), captured(network, ["pool"]):
        network(image())
    assert hooks(network) == 0


def test_shapes_are_told_in_the_order_of_the_run() -> None:
    found = feature_shapes(Small(), [image()])
    assert found == {
        "conv": (2, 4, 6, 6),
        "norm": (2, 4, 6, 6),
        "active": (2, 4, 6, 6),
        "twice": (2, 4, 6, 6),
    }  # pool returns a tuple, head the network's output
    assert list(found) == ["conv", "norm", "active", "twice"]


def test_a_network_is_left_as_found_by_the_look_at_its_shapes() -> None:
    network = Small().train()
    network.norm.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    feature_shapes(network, [image()])
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert network.training
    assert network.conv.training
    assert not network.norm.training
    assert hooks(network) == 0
    assert torch.equal(torch.get_rng_state(), random)


def test_outputs_in_dictionaries_are_left_out_too() -> None:
    network = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3
    )
    found = feature_shapes(network, [torch.zeros(1, 3, 32, 32)])
    assert "backbone" not in found  # returns a dictionary
    assert found["backbone.0"] == (1, 16, 16, 16)


def test_a_network_that_does_not_run_is_named() -> None:
    network = Small()
    with pytest.raises(ModelError, match=r"does not run on its inputs: .*channels"):
        feature_shapes(network, [torch.zeros(1, 5, 6, 6)])
    assert hooks(network) == 0
