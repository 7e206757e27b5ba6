"""What one part costs when it alone is made sparse; the network stays bit for bit."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.sensitivity.allotment import sparsities_for
from mobilekit.compress.sensitivity.analysis import sensitivity
from mobilekit.compress.sensitivity.measure import Measure
from mobilekit.compress.sensitivity.sqnr import sqnr
from mobilekit.compress.sensitivity.sweep import Sweep
from mobilekit.core.errors import MobilekitError, ModelError, RecipeError


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.inner = nn.Conv2d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 3)

    def forward(self, image: Tensor) -> Tensor:
        start = self.stem(image)
        return self.head((start + self.norm(self.inner(start)).relu()).mean((2, 3)))


@pytest.fixture
def batches() -> list[tuple[Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(4, 1, 8, 8, generator=generator),) for _ in range(2)]


def test_sqnr_of_a_zeroed_row_is_that_of_numpy() -> None:
    network = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False))
    given = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    report = sensitivity(
        network, (given,), sqnr(network, [(given,)]), Sweep(granularity="row", sparsities=(0.25,))
    )
    one, two = (layer.weight.detach().double().numpy() for layer in network)
    lowest = np.abs(one).mean(1).argmin()
    pruned = one.copy()
    pruned[lowest] = 0
    whole = given.double().numpy() @ one.T @ two.T
    error = whole - given.double().numpy() @ pruned.T @ two.T
    [row] = report.rows_of("0")
    assert row.value == pytest.approx(
        10 * math.log10((whole**2).sum() / (error**2).sum()), abs=1e-4
    )
    assert row.removed == 1
    assert report.baseline is None


def test_the_network_is_left_bit_for_bit(batches) -> None:
    network = Residual().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    sensitivity(network, batches[0], sqnr(network, batches), Sweep(sparsities=(0.5,)))
    assert network.training
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())
    calls = []

    def broken(net: nn.Module) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise ZeroDivisionError
        return 1.0

    with pytest.raises(ZeroDivisionError):
        sensitivity(network, batches[0], Measure("accuracy", broken), Sweep(sparsities=(0.5, 0.75)))
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())


def test_by_group_both_sides_of_a_sum_lose_the_same_channels(batches) -> None:
    network, seen = Residual(), []

    def watch(net: nn.Module) -> float:
        gone = [layer.weight.flatten(1).any(1).logical_not() for layer in (net.stem, net.inner)]
        seen.append([int(each.sum()) for each in gone] + [torch.equal(*gone)])
        return 1.0

    sensitivity(
        network, batches[0], Measure("accuracy", watch), Sweep(by="group", sparsities=(0.5,))
    )
    assert seen[0] == [0, 0, True]
    assert [4, 4, True] in seen


def test_the_layer_that_has_filters_to_spare_bears_most(batches) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(8, 2, 1),
    )  # fmt: skip
    with torch.no_grad():
        network[2].weight[4:] *= 1e-6
        network[2].bias.zero_()
        network[0].bias.zero_()
    report = sensitivity(network, batches[0], sqnr(network, batches), Sweep(sparsities=(0.25, 0.5)))
    within = report.within(60.0)
    assert within["2"] is not None
    assert within["2"].sparsity == 0.5
    assert within["0"] is None
    context = sparsities_for(report, 60.0)
    assert context == {"0": 0.0, "2": 0.5}
    assert sparsities_for(report, 60.0, final=0.125) == {"0": 0.0, "2": 0.25}
    with pytest.raises(RecipeError):
        sparsities_for(report, 60.0, final=0.9)


def test_bad_requests(batches) -> None:
    network = Residual()
    measure = sqnr(network, batches)
    with pytest.raises(RecipeError, match="Did you mean stem"):
        sensitivity(network, batches[0], measure, Sweep(layers=("stam",)))
    for sparsities in ((), (0.0,), (1.0,)):
        with pytest.raises(RecipeError):
            Sweep(sparsities=sparsities)
    with pytest.raises(ModelError):
        sensitivity(network, batches[0], Measure("accuracy", lambda _: math.nan), Sweep())
    with pytest.raises(MobilekitError):
        sensitivity(nn.Sequential(nn.ReLU()), batches[0], measure, Sweep())


def test_an_attention_is_one_part_with_all_its_projections() -> None:
    network = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    given = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    removed: list[int] = []

    def zeros(net: nn.Module) -> float:
        removed.append(
            int(sum(int(each.eq(0).sum()) for each in net.parameters() if each.ndim == 2))
        )
        return 1.0

    sweep = Sweep(granularity="weight", sparsities=(0.5,))
    report = sensitivity(network, (given,), Measure("accuracy", zeros), sweep)
    assert [row.name for row in report.rows] == ["self_attn", "linear1", "linear2"]
    assert removed[-3:] == [(3 * 64 + 64) // 2, 64, 64]
