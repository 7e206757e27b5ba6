"""Weights of a cluster are one value from the start to the end, and zeros stay zero."""

import numpy as np
import pytest
import torch

from mobilekit.compress.base import Context
from mobilekit.compress.during.share_weights import ShareWeights
from mobilekit.core.errors import ModelError, RecipeError
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import plain


def values_of(weight: torch.Tensor) -> int:
    found = torch.unique(weight.detach())
    return int((found != 0).sum())


def test_each_layer_has_as_many_values_as_its_bits_say() -> None:
    network = plain()
    with torch.no_grad():
        network[4].weight[:, 10:20] = 0
    _, notes = run(network, [ShareWeights(bits=2, layer_bits={"4": 3})])
    assert [values_of(network[place].weight) for place in (0, 2, 4)] == [4, 4, 8]
    assert bool((network[4].weight[:, 10:20] == 0).all())
    assert notes[0].endswith("share 16 values, zero aside")


def test_a_cluster_takes_the_mean_of_what_the_optimizer_made_of_its_weights() -> None:
    network = plain()
    handle = ShareWeights(bits=1, layers=("0",)).start(network, Context(INPUTS))
    before = network[0].weight.detach().clone()
    handle.after_step(0.0)
    shared = network[0].weight.detach().clone()
    low, high = (float(v) for v in torch.unique(shared))
    members = shared == low
    assert low == pytest.approx(float(before[members].mean()), rel=1e-6)
    assert high == pytest.approx(float(before[~members].mean()), rel=1e-6)
    middle = (low + high) / 2
    assert bool((before[members] <= middle).all())
    assert bool((before[~members] >= middle).all())
    step = torch.from_numpy(np.random.default_rng(0).normal(size=shared.shape)).float()
    with torch.no_grad():
        network[0].weight += step
    handle.after_step(0.5)
    after = network[0].weight.detach()
    assert torch.equal(torch.unique(after[members]), after[members][:1])
    assert float(after[members][0]) == pytest.approx(low + float(step[members].mean()), rel=1e-4)


def test_weights_are_free_until_their_time_has_come() -> None:
    network = plain()
    handle = ShareWeights(bits=1, start_at=0.5).start(network, Context(INPUTS))
    before = network[0].weight.detach().clone()
    handle.after_step(0.4)
    assert torch.equal(network[0].weight, before)
    assert handle.state_dict() == {}
    assert "ended before start_at" in handle.finish()[0]
    assert torch.equal(network[0].weight, before)
    handle.after_step(0.5)
    assert values_of(network[0].weight) == 2


def test_clusters_are_those_of_the_checkpoint() -> None:
    first, second = plain(), plain()
    one = ShareWeights(bits=2).start(first, Context(INPUTS))
    one.after_step(0.1)
    other = ShareWeights(bits=2).start(second, Context(INPUTS))
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        for place in (0, 2, 4):
            second[place].weight.copy_(first[place].weight)
            first[place].weight.mul_(1.5)
            second[place].weight.mul_(1.5)
    one.after_step(0.2)
    other.after_step(0.2)
    assert all(torch.equal(first[p].weight, second[p].weight) for p in (0, 2, 4))
    with pytest.raises(ModelError, match="share_weights: the checkpoint is of another network"):
        other.load_state_dict({"0.weight": torch.zeros(3, dtype=torch.int64)})


def test_a_layer_of_few_values_keeps_them() -> None:
    network = plain()
    with torch.no_grad():
        network[0].weight.copy_(torch.sign(network[0].weight))
    ShareWeights(bits=4).start(network, Context(INPUTS)).after_step(0.0)
    assert torch.unique(network[0].weight).tolist() == [-1.0, 1.0]


def test_patterns_that_match_nothing_are_errors() -> None:
    with pytest.raises(RecipeError, match="share_weights: layer_bits: 'conv9' matches no layer"):
        ShareWeights(layer_bits={"conv9": 4}).start(plain(), Context(INPUTS))
    with pytest.raises(RecipeError, match="conv9"):
        ShareWeights(layers=("conv9",)).start(plain(), Context(INPUTS))
