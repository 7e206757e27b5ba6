"""Which layers make the outputs, and which norms scale their filters."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.roles import batch_norm_scales, heads

IMAGE = (torch.zeros(2, 3, 8, 8),)


class Two(nn.Module):
    """A stem, a residual branch, and two outputs: of a convolution and of a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.branch = nn.Conv2d(4, 4, 3, padding=1)
        self.after = nn.BatchNorm2d(4)
        self.mask = nn.Conv2d(4, 1, 1)
        self.hidden, self.classes = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        found = self.norm(self.stem(image)).relu()
        found = (found + self.after(self.branch(found))).relu()
        return self.mask(found), self.classes(self.hidden(found.mean((2, 3))).relu())


def test_layers_that_make_outputs() -> None:
    network = Two()
    graph = ChannelGraph(network, IMAGE)
    assert heads(graph, groups_of(network, "filter")) == {"mask"}
    assert heads(graph, groups_of(network, "row", ["hidden", "classes"])) == {"classes"}


def test_a_residual_sum_that_is_an_output_makes_heads_of_all_its_layers() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Conv2d(3, 4, 1)
            self.one, self.two = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)

        def forward(self, image: Tensor) -> Tensor:
            found = self.hidden(image).relu()
            made: Tensor = self.one(found) + self.two(found)
            return made

    network = Sum()
    assert heads(ChannelGraph(network, IMAGE), groups_of(network, "filter")) == {"one", "two"}


@pytest.mark.parametrize("filters", [1, 3])
def test_a_parametrized_head_is_a_head(filters: int) -> None:
    network = Two()
    network.mask = nn.Conv2d(4, filters, 1)
    parametrize.register_parametrization(network.mask, "weight", nn.Tanh())
    groups = groups_of(network, "filter")
    assert heads(ChannelGraph(network, IMAGE), groups) == {"mask"}


def test_scales_of_the_norm_behind() -> None:
    network = Two()
    found = batch_norm_scales(ChannelGraph(network, IMAGE), network, groups_of(network, "filter"))
    assert found["stem.weight"].weight is network.norm.weight
    assert found["branch.weight"].weight is network.after.weight
    assert "mask.weight" not in found
    network.norm.weight.data = torch.tensor([1.0, -2.0, 3.0, -4.0])
    assert found["stem.weight"].sizes().tolist() == [1, 2, 3, 4]


def test_scales_behind_a_concatenation_are_each_filters_own() -> None:
    class Cat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 3, 1)
            self.norm = nn.BatchNorm2d(5)
            self.head = nn.Conv2d(5, 1, 1)

        def forward(self, image: Tensor) -> Tensor:
            made: Tensor = self.head(self.norm(torch.cat([self.two(image), self.one(image)], 1)))
            return made

    network = Cat()
    network.norm.weight.data = torch.arange(5.0)
    found = batch_norm_scales(ChannelGraph(network, IMAGE), network, groups_of(network, "filter"))
    assert found["two.weight"].sizes().tolist() == [0, 1, 2]
    assert found["one.weight"].sizes().tolist() == [3, 4]


@pytest.mark.parametrize("affine", [True, False])
def test_norms_without_a_scale_are_none(affine: bool) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=affine), nn.ReLU(), nn.Conv2d(4, 2, 1)
    )
    found = batch_norm_scales(ChannelGraph(network, IMAGE), network, groups_of(network, "filter"))
    assert {*found} == ({"0.weight"} if affine else set())


def test_a_lone_filter_in_the_middle_is_no_head_and_has_a_scale() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 1, 3),
        nn.BatchNorm2d(1),
        nn.ReLU(inplace=True),
        nn.Conv2d(1, 2, 1),
        nn.Sigmoid(),
    )
    groups, graph = groups_of(network, "filter"), ChannelGraph(network, IMAGE)
    assert heads(graph, groups) == {"3"}
    network[1].weight.data.fill_(-7.0)
    assert batch_norm_scales(graph, network, groups)["0.weight"].sizes().tolist() == [7]


def test_a_norm_before_the_layers_of_a_residual_sum_is_not_the_one_behind_them() -> None:
    class Before(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3))
            self.convolutions = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(2))
            self.stem, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, image: Tensor) -> Tensor:
            found = self.stem(image)
            for norm, convolution in zip(self.norms, self.convolutions, strict=False):
                found = found + convolution(norm(found).relu())
            made: Tensor = self.head(self.norms[2](found).relu())
            return made

    network = Before()
    found = batch_norm_scales(ChannelGraph(network, IMAGE), network, groups_of(network, "filter"))
    behind = {name: each.weight for name, each in found.items()}
    assert {*behind} == {"stem.weight", "convolutions.0.weight", "convolutions.1.weight"}
    assert behind["stem.weight"] is network.norms[0].weight
    assert behind["convolutions.0.weight"] is network.norms[1].weight
    assert behind["convolutions.1.weight"] is network.norms[2].weight


def test_scales_behind_a_shuffle_follow_the_channels() -> None:
    class Shuffled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)
            self.head = nn.Conv2d(6, 2, 1)

        def forward(self, image: Tensor) -> Tensor:
            found = nn.functional.channel_shuffle(self.first(image), 2)
            made: Tensor = self.head(self.norm(found))
            return made

    network = Shuffled()
    network.norm.weight.data = torch.arange(6.0)
    found = batch_norm_scales(ChannelGraph(network, IMAGE), network, groups_of(network, "filter"))
    assert found["first.weight"].sizes().tolist() == [0, 2, 4, 1, 3, 5]
