"""Pruning what goes in: channels of an image, and single values where the network flattens it."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.base import Context
from mobilekit.compress.checking import single_values
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.pruning import prune
from mobilekit.compress.steps.prune import Prune
from mobilekit.compress.trial import Options
from mobilekit.core.errors import NoEffectError
from mobilekit.core.tensors import TensorSpec, part

IMAGE = torch.zeros(1, 4, 16, 16)


class Perceptron(nn.Module):
    """As the ones that read digits: a view with a number, two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(36, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x.view(-1, 36))))


class Joined(nn.Module):
    """The input is read, normalized, and joined again further on."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(4, 8, 3, padding=1)
        self.second = nn.Conv2d(12, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return self.second(torch.cat([torch.relu(self.first(x)), x], 1))


class Residual(nn.Module):
    """The input is added to what a layer makes: they live and die together."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.first(x))


def made(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(2)  # noqa: TID251
        return kind().eval()


def test_an_unread_channel_goes_exactly() -> None:
    network = made(Joined)
    with torch.no_grad():
        network.first.weight[:, 2] = 0
        network.second.weight[:, 8 + 2] = 0
    pruned = prune(network, [IMAGE], options=Options(free_inputs=True))
    assert pruned.kept_inputs[0].tolist() == [0, 1, 3]
    assert pruned.network.norm.num_features == 3
    image = torch.randn(2, 4, 20, 12)
    assert torch.allclose(network(image), pruned.network(image[:, [0, 1, 3]]), atol=1e-6)
    assert {row.layer: row.after for row in pruned.coverage.layers}["input 0"] == 3


def test_a_channel_that_is_read_anywhere_stays() -> None:
    network = made(Joined)
    with torch.no_grad():
        network.first.weight[:, 2] = 0
    with pytest.raises(NoEffectError):
        prune(network, [IMAGE], options=Options(free_inputs=True))


def test_inputs_stay_unless_they_are_asked_for() -> None:
    network = made(Joined)
    with torch.no_grad():
        network.first.weight[:, 2] = 0
        network.second.weight[:, 8 + 2] = 0
    with pytest.raises(NoEffectError):
        prune(network, [IMAGE])


def test_an_input_that_is_added_goes_with_what_it_is_added_to() -> None:
    network = made(Residual)
    with torch.no_grad():
        network.first.weight[1] = 0
        network.first.bias[1] = 0
    graph = ChannelGraph(network, [IMAGE], free_inputs=True)
    assert graph.input_groups == ()

    def second(found: ChannelGraph) -> Tensor:
        wanted = torch.zeros(found.channels.count, dtype=torch.bool)
        wanted[found.channels_of(found.inputs[0])[1]] = True
        return wanted

    pruned = prune(network, [IMAGE], second, Options(free_inputs=True))
    assert pruned.kept_inputs[0].tolist() == [0, 2, 3]
    image = torch.randn(1, 4, 16, 16)
    expected = pruned.reference()(image)
    assert torch.allclose(expected, pruned.network(image[:, [0, 2, 3]]), atol=1e-6)


def test_the_most_read_channels_stay() -> None:
    network = made(Joined)
    with torch.no_grad():
        network.first.weight.mul_(torch.tensor([1.0, 9, 5, 2]).reshape(1, 4, 1, 1))
        network.second.weight[:, 8:] = 0
    step = Prune(sparsity=0.5, criterion="l1", prune_inputs=True, round_to=1)
    pruned, report = step.carry_out(network, Context([IMAGE]))
    assert pruned.kept_inputs[0].tolist() == [1, 2]
    assert report.kept_inputs[0].indices == (1, 2)
    assert not report.kept_inputs[0].flat
    assert report.residual is not None
    assert report.residual <= 1e-5


def test_single_values_of_an_image_that_is_flattened() -> None:
    network = made(Perceptron)
    unread = [0, 5, 30, 35]
    with torch.no_grad():
        network.first.weight[:, unread] = 0
    image = torch.zeros(1, 1, 6, 6)
    pruned, report = Prune(prune_inputs=True).carry_out(network, Context([image]))
    (kept,) = report.kept_inputs
    assert kept.flat
    assert kept.indices == tuple(index for index in range(36) if index not in unread)
    spec = TensorSpec("digit", (1, 1, 6, 6), layout="NCHW").keeping(kept.indices, flat=True)
    whole = np.random.default_rng(1).random((3, 1, 6, 6), dtype=np.float32)
    fed = torch.from_numpy(part(whole, spec))
    assert fed.shape == (3, 32)
    expected = network(torch.from_numpy(whole))
    assert torch.allclose(pruned.network(fed), expected, atol=1e-6)


def test_a_convolution_takes_no_flat_image() -> None:
    assert single_values(made(Joined), [IMAGE])[1] is False
    inputs, flat = single_values(made(Perceptron), [torch.zeros(1, 1, 6, 6)])
    assert flat
    assert inputs[0].shape == (1, 36)


def test_a_network_that_gives_a_flat_image_another_meaning_keeps_its_shape() -> None:
    """A mean over the last dimension runs on both, and is not the same."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.mean(-1, keepdim=True).flatten(0, -2)[:1])

    assert single_values(made(Last), [torch.zeros(1, 1, 6, 6)])[1] is False
