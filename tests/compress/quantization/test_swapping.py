"""Weights that are exchanged while a network runs, against torch's own parametrizations."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from mobilekit.compress.quantization.grids import Learned, Observed
from mobilekit.compress.quantization.swapping import Swap
from mobilekit.compress.sparsity.granularity import of_layer
from mobilekit.compress.sparsity.grouped import Grouped
from tests.compress.fitting.material import Dots, plain

PLACES = (0, 2, 4)


def channels(layer: nn.Module) -> Grouped:
    if isinstance(layer, nn.Linear):
        return Grouped("weight", layer.weight, (1,))
    return of_layer("filter", layer)[0]


def begun(network: nn.Sequential, kind: Callable[[Grouped, int], nn.Module]) -> list[nn.Module]:
    grids = [kind(channels(network[place]), 4) for place in PLACES]
    for place, grid in zip(PLACES, grids, strict=True):
        grid.begin(network[place].weight.detach())
    return grids


def swap(network: nn.Sequential, grids: list[nn.Module]) -> Swap:
    names = [str(place) for place in PLACES]
    weights = [network[place].weight for place in PLACES]
    return Swap(dict(zip(names, grids, strict=True)), dict(zip(names, weights, strict=True)))


@pytest.mark.parametrize("kind", [Observed, Learned])
@pytest.mark.parametrize("passes", [1, 2])
def test_outputs_and_gradients_are_those_of_parametrizations(
    kind: Callable[[Grouped, int], nn.Module], passes: int
) -> None:
    data = Dots(12)
    mine, theirs = plain(), plain()
    grids, others = begun(mine, kind), begun(theirs, kind)
    for place, grid in zip(PLACES, others, strict=True):
        parametrize.register_parametrization(theirs[place], "weight", grid)
    exchange = swap(mine, grids)
    before = copy.deepcopy(mine.state_dict())
    for _ in range(passes):
        exchange.put()
        found, expected = mine(data.images), theirs(data.images)
        assert torch.equal(found, expected)
        for outputs in (found, expected):
            nn.functional.cross_entropy(outputs, data.labels).backward()
    exchange.pull()
    assert all(torch.equal(value, before[name]) for name, value in mine.state_dict().items())
    for place, grid, other in zip(PLACES, grids, others, strict=True):
        stored = theirs[place].parametrizations.weight.original
        # one product after the sum of the passes instead of one in each
        close = partial(torch.allclose, rtol=1e-4, atol=1e-6)
        assert close(mine[place].weight.grad, stored.grad)
        for one, two in zip(grid.parameters(), other.parameters(), strict=True):
            assert close(one.grad, two.grad)


def test_only_one_exchange_until_the_weights_are_back() -> None:
    network = plain()
    exchange = swap(network, begun(network, Observed))
    before = network[0].weight.detach().clone()
    with torch.no_grad():
        exchange.put()
        exchange.put()
        assert not torch.equal(network[0].weight, before)
        exchange.back()
        assert torch.equal(network[0].weight, before)
        exchange.back()
    assert torch.equal(network[0].weight, before)


def test_baked_weights_do_not_change_when_baked_again() -> None:
    network = plain()
    exchange = swap(network, begun(network, Observed))
    assert exchange.error() > 0.01
    exchange.bake()
    first = network[0].weight.detach().clone()
    exchange.bake()
    assert torch.allclose(network[0].weight, first, rtol=2**-22, atol=0)
    assert exchange.error() < 1e-6


def test_frozen_weights_are_exchanged_without_a_gradient() -> None:
    network, data = plain(), Dots(6)
    network[0].weight.requires_grad_(requires_grad=False)
    exchange = swap(network, begun(network, Observed))
    exchange.put()
    network(data.images).sum().backward()
    exchange.pull()
    assert network[0].weight.grad is None
    assert network[2].weight.grad is not None
