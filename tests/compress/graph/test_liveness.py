"""Filters that nobody hears: zero without a difference, and gone without a trace."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.liveness import silenced
from mobilekit.compress.pruning import prune
from tests.compress.graph.patterns import PATTERNS
from tests.compress.graph.random_nets import randomize

INPUTS = [torch.zeros(1, 3, 16, 16)]


class Net(nn.Module):
    """Point-wise, depthwise and full convolutions with norms; one residual sum; one gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.wide, self.norm2 = nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.depth = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.norm3 = nn.BatchNorm2d(16)
        self.narrow, self.norm4 = nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.gate = nn.Conv2d(8, 8, 1)
        self.head = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.norm1(self.stem(x)))
        y = nn.functional.hardswish(self.norm2(self.wide(x)))
        y = nn.functional.relu6(self.norm3(self.depth(y)))
        x = x + self.norm4(self.narrow(y))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        return self.head(nn.functional.max_pool2d(x, 2))


def made() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(4)  # noqa: TID251
        network = Net().eval()
    randomize(network)
    return network


def zeroed(network: nn.Module) -> dict[str, int]:
    """Count zero filters per layer."""
    return {
        name: int((~module.weight.ne(0).flatten(1).any(1)).sum())
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    }


def changed(edit: Callable[[Net], None]) -> tuple[Net, nn.Module]:
    network = made()
    with torch.no_grad():
        edit(network)
    quiet = silenced(ChannelGraph(network, INPUTS), network)
    for sample in resolutions(network, INPUTS)[0]:
        with torch.no_grad():
            assert torch.equal(network(*sample), quiet(*sample))
    return network, quiet


def test_nothing_to_do_gives_the_network_itself() -> None:
    network, quiet = changed(lambda _: None)
    assert quiet is network


def test_the_depthwise_filter_and_the_one_before_it_go_together() -> None:
    def edit(network: Net) -> None:
        network.norm3.weight[:5] = 0

    network, quiet = changed(edit)
    assert zeroed(quiet) == {"stem": 0, "wide": 5, "depth": 5, "narrow": 0, "gate": 0, "head": 0}
    assert zeroed(network)["wide"] == 0
    pruned = prune(network, INPUTS)
    assert pruned.network.wide.out_channels <= 12
    assert residual(network, pruned.network, resolutions(network, INPUTS)[0]) <= 1e-5


def test_one_branch_of_a_sum_is_silent_alone() -> None:
    def edit(network: Net) -> None:
        network.norm4.weight[2] = 0

    _, quiet = changed(edit)
    assert zeroed(quiet) == {"stem": 0, "wide": 0, "depth": 0, "narrow": 1, "gate": 0, "head": 0}


def test_columns_of_zeros_silence_what_they_read() -> None:
    def edit(network: Net) -> None:
        network.narrow.weight[:, 3] = 0
        network.head.weight[:, 1] = 0

    _, quiet = changed(edit)
    found = zeroed(quiet)
    assert (found["wide"], found["depth"]) == (1, 1)
    assert found["stem"] == 0  # its channel 1 is read by the mean and by the wide layer


def test_an_output_read_before_the_norm_is_heard() -> None:
    class Before(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.head = nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.head(torch.cat([x, self.norm(x)], 1))

    network = Before().eval()
    with torch.no_grad():
        network.norm.weight.zero_()
    assert silenced(ChannelGraph(network, INPUTS), network) is network


def test_a_shared_convolution_is_left_alone() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 3, 3, padding=1)
            self.norm1, self.norm2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm2(self.stem(self.norm1(self.stem(x))))

    network = Twice().eval()
    with torch.no_grad():
        network.norm1.weight[0] = 0
    assert silenced(ChannelGraph(network, INPUTS), network) is network


def test_in_training_statistics_nothing_is_touched_of_the_given_network() -> None:
    network = made().train()
    with torch.no_grad():
        network.norm3.weight[0] = 0
    before = copy.deepcopy(network.state_dict())
    silenced(ChannelGraph(network, INPUTS), network)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_function_stays_on_every_pattern(name: str, seed: int) -> None:
    build, shape = PATTERNS[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # noqa: TID251
        network = build().eval()
        randomize(network)
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
                    module.weight[torch.rand(len(module.weight)) < 0.4] = 0
                if isinstance(module, nn.modules.conv._ConvNd):
                    module.weight.movedim(1, 0)[torch.rand(module.weight.shape[1]) < 0.3] = 0
    inputs = [torch.zeros(shape)]
    quiet = silenced(ChannelGraph(network, inputs), network)
    samples = resolutions(network, inputs)[0]
    assert residual(network, quiet, samples) <= 1e-6
