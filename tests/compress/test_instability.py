"""The midpoint of two trainings."""

import pytest
import torch
from torch import nn

from mobilekit.compress.instability import instability, midpoint
from mobilekit.core.errors import ModelError


def test_the_midpoint_has_means_and_the_network_stays() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {name: value.clone() for name, value in network.state_dict().items()}

    def train(copy: nn.Module, seed: int) -> None:
        with torch.no_grad():
            copy[0].weight.add_(1.0 if seed else 3.0)
            copy[1].running_mean.add_(2.0 * seed)

    def error(copy: nn.Module) -> float:
        moved = (copy[0].weight - network[0].weight).detach()
        return float(moved.mean()) / 10 + float(copy[1].running_mean.mean())

    found = instability(network, train, error)
    assert found.ends == pytest.approx((0.3, 0.1 + 2.0))
    assert found.midpoint == pytest.approx(0.2 + 1.0)
    assert found.rise == pytest.approx(0.0, abs=1e-6)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ModelError, match="weight is not of one shape"):
        midpoint(nn.Linear(2, 2), nn.Linear(3, 2))
