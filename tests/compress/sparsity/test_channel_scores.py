"""Scores of channels against NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilekit.compress.graph.channels import ChannelGraph, Group
from mobilekit.compress.sparsity.channel_scores import (
    Aggregate,
    Criterion,
    GroupCriterion,
    scores,
)

IMAGE = (1, 3, 8, 8)
RELATIVE = 1e-5  # norms over up to 72 float32 values
AGGREGATES: dict[Aggregate, Callable[..., np.ndarray]] = {
    "mean": np.mean,
    "max": np.max,
    "sum": np.sum,
}


class Residual(nn.Module):
    """Two convolutions that make the same channels, a third of their own, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.stem_norm = nn.BatchNorm2d(8)
        self.inner = nn.Conv2d(8, 6, 3, padding=1)
        self.outer = nn.Conv2d(6, 8, 1)
        self.outer_norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(x))
        x = F.relu(x + self.outer_norm(self.outer(F.relu(self.inner(x)))))
        return self.head(x.mean((2, 3)))


class Shuffled(nn.Module):
    """Four filters to a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.grow = nn.Conv2d(3, 16, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(F.pixel_shuffle(self.grow(x), 2)))


class Upward(nn.Module):
    """A transposed convolution, whose filters lie along its second dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 6, 2, stride=2)
        self.head = nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.up(x)))


def made(kind: type[nn.Module]) -> tuple[nn.Module, ChannelGraph]:
    with torch.random.fork_rng():
        torch.manual_seed(5)  # noqa: TID251
        network = kind().eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight)
    return network, ChannelGraph(network, [torch.zeros(IMAGE)])


def group_of(graph: ChannelGraph, name: str) -> Group:
    return next(group for group in graph.groups if group.name == name)


def norms(weight: Tensor, power: int, dimension: int = 0) -> np.ndarray:
    rows = np.moveaxis(weight.detach().double().numpy(), dimension, 0)
    rows = rows.reshape(len(rows), -1)
    return (np.abs(rows) ** power).sum(1) ** (1 / power)


@pytest.mark.parametrize(("criterion", "power"), [("l1", 1), ("l2", 2)])
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_norms_of_every_layer_of_a_sum_are_aggregated(
    criterion: Criterion, power: int, aggregate: Aggregate
) -> None:
    network, graph = made(Residual)
    group = group_of(graph, "stem")
    assert {axis.parameter for axis in group.writers} == {"stem.weight", "outer.weight"}
    expected = AGGREGATES[aggregate](
        np.stack([norms(network.stem.weight, power), norms(network.outer.weight, power)]), axis=0
    )
    found = scores(graph, network, group, GroupCriterion(criterion, aggregate))
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=RELATIVE)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_scales_of_every_batch_norm_of_a_sum_are_aggregated(aggregate: Aggregate) -> None:
    network, graph = made(Residual)
    rows = [abs(norm.weight.detach().numpy()) for norm in (network.stem_norm, network.outer_norm)]
    expected = AGGREGATES[aggregate](np.stack(rows), axis=0)
    found = scores(
        graph, network, group_of(graph, "stem"), GroupCriterion("batch_norm_scale", aggregate)
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=RELATIVE)


def test_without_a_batch_norm_the_l2_norm_stands_in() -> None:
    network, graph = made(Residual)
    found = scores(graph, network, group_of(graph, "inner"), GroupCriterion("batch_norm_scale"))
    np.testing.assert_allclose(found.numpy(), norms(network.inner.weight, 2), rtol=RELATIVE)


@pytest.mark.parametrize(("criterion", "power"), [("l1", 1), ("l2", 2)])
def test_all_filters_of_a_channel_count(criterion: Criterion, power: int) -> None:
    network, graph = made(Shuffled)
    weight = network.grow.weight.detach().reshape(4, -1)  # filters 4c to 4c + 3 make channel c
    found = scores(graph, network, group_of(graph, "grow"), GroupCriterion(criterion))
    np.testing.assert_allclose(found.numpy(), norms(weight, power), rtol=RELATIVE)


def test_filters_of_a_transposed_convolution_are_its_second_dimension() -> None:
    network, graph = made(Upward)
    found = scores(graph, network, group_of(graph, "up"), GroupCriterion("l1"))
    np.testing.assert_allclose(found.numpy(), norms(network.up.weight, 1, 1), rtol=RELATIVE)


def test_random_scores_follow_their_generator_alone() -> None:
    network, graph = made(Residual)
    before = torch.get_rng_state()

    def drawn(seed: int) -> list[list[float]]:
        generator = torch.Generator().manual_seed(seed)
        return [
            scores(graph, network, group, GroupCriterion("random"), generator=generator).tolist()
            for group in graph.groups
        ]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert [len(row) for row in drawn(1)] == [len(group.channels) for group in graph.groups]
    assert all(0 <= value < 1 for row in drawn(1) for value in row)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("criterion", ["l1", "l2", "batch_norm_scale"])
def test_half_precision_scores_as_float32_does(criterion: Criterion) -> None:
    network, _ = made(Residual)
    network.half()
    graph = ChannelGraph(network, [torch.zeros(IMAGE, dtype=torch.float16)])
    group = group_of(graph, "stem")
    half = scores(graph, network, group, GroupCriterion(criterion))
    network.float()
    np.testing.assert_allclose(
        half, scores(graph, network, group, GroupCriterion(criterion)), rtol=RELATIVE
    )


def test_weights_are_left_as_found() -> None:
    network, graph = made(Residual)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    scores(graph, network, graph.groups[0], GroupCriterion("l1"))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
