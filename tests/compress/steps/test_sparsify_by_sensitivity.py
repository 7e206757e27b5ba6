"""Layers that bear it lose filters first; quality has a bound."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mobilekit.compress.base import Context, Training
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.steps.sparsify_by_sensitivity import SparsifyBySensitivity
from mobilekit.core.errors import DataError, NoEffectError
from mobilekit.data.task import Labelled


class Bright(Dataset[tuple[Tensor, Tensor]]):
    """The class is whether the left or the right half is brighter."""

    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(count)
        self.images = torch.rand(count, 1, 8, 8, generator=generator) * 0.5
        self.labels = torch.arange(count) % 2
        for image, label in zip(self.images, self.labels, strict=True):
            image[:, :, 4 * int(label) : 4 * int(label) + 4] += 0.5

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]


def data(count: int) -> Labelled:
    return Labelled("classification", ("left", "right"), Bright(count), "halves")


@pytest.fixture
def network() -> nn.Module:
    """Two filters tell left from right; the first layer has four that say nothing."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net[0].weight[0, 0, 1, 1] = 1.0
        net[0].weight[1, 0, 1, 1] = 1.0
        net[0].weight[2:] = 0.01
        net[2].weight[:, :2] = 1.0  # all four are alike and needed: they are summed
        net[6].weight[0, ::2] = 1.0
        net[6].weight[1, 1::2] = 1.0
    return net


def context(folder: Path | None = None) -> Context:
    training = Training(data(64), data(40), folder=folder)
    return Context((torch.zeros(1, 1, 8, 8),), training=training)


FAST = {"optimizer": OptimizerConfig(lr=1e-6, schedule="constant"), "batch_size": 32}


def test_filters_that_say_nothing_go_first_and_stay_gone(network: nn.Module) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    step = SparsifyBySensitivity(drop=0.0, portion=1 / 3, rounds=2, layers=("0",), **FAST)
    result, report = step.apply(network, context())
    assert result[0].weight.flatten(1).any(1).tolist() == [True, True] + [False] * 4
    assert [note.split(":")[0] for note in report.notes[1:]] == ["0 33%", "0 67%"]
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())


def test_the_round_that_costs_too_much_is_undone(network: nn.Module) -> None:
    step = SparsifyBySensitivity(drop=0.1, portion=0.33, rounds=9, layers=("0",), **FAST)
    result, _ = step.apply(network, context())
    assert result[0].weight.flatten(1).any(1)[:2].any()


def test_it_needs_data_and_something_bearable(network: nn.Module) -> None:
    with pytest.raises(DataError, match="names no data set"):
        SparsifyBySensitivity().apply(network, Context((torch.zeros(1, 1, 8, 8),)))
    with torch.no_grad():
        network[0].weight[1:] = 0
        network[2].weight[1:] = 0
    step = SparsifyBySensitivity(drop=0.0, portion=0.9, layers=("0",), **FAST)
    result, _ = step.apply(network, context())  # one of six filters is enough
    assert int(result[0].weight.flatten(1).any(1).sum()) == 1
    with torch.no_grad():
        network[6].weight.zero_()
        network[6].bias[0] = 1.0
        network[0].weight.zero_()
        network[0].weight[0] = 1.0
    flat = SparsifyBySensitivity(drop=0.0, portion=0.5, layers=("2",), **FAST)
    assert flat.apply(network, context())[1].notes


def test_nothing_bearable_is_an_error(network: nn.Module) -> None:
    with torch.no_grad():
        network[0].weight[2:] = 0.9  # now the two that matter are not the largest
        network[0].weight[:2] *= 0.1
    step = SparsifyBySensitivity(drop=0.0, portion=0.4, layers=("0",), **FAST)
    with pytest.raises(NoEffectError, match="not one round keeps accuracy"):
        step.apply(network, context())


class Attentive(nn.Module):
    """Rows of the image attend to one another."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 4, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, image: Tensor) -> Tensor:
        rows = image[:, 0]
        return self.head(self.attention(rows, rows, rows, need_weights=False)[0].mean(1))


@pytest.mark.parametrize("granularity", ["head", "weight"])
def test_parts_of_attention_go_and_do_not_grow_again(granularity: str) -> None:
    step = SparsifyBySensitivity(
        drop=1.0, portion=0.25, rounds=2, granularity=granularity, layers=("attention",),
        batch_size=32, optimizer=OptimizerConfig(lr=1e-2, schedule="constant"),
    )  # fmt: skip
    result, report = step.apply(Attentive(), context())
    assert [note.split(":")[0] for note in report.notes[1:]] == ["attention 25%", "attention 50%"]
    parts = result.attention.in_proj_weight.view(3, 4, 2, 8)
    if granularity == "head":
        assert int(parts.eq(0).all(3).all(2).all(0).sum()) == 2
    else:
        assert int(parts.eq(0).sum()) == 96
        assert int(result.attention.out_proj.weight.eq(0).sum()) == 32
