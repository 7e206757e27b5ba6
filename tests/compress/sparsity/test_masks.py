"""Dead groups stay zero: the weights, and what an optimizer remembers of them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from mobilekit.compress.sparsity.granularity import of_layer
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.masks import kept_weights, share_of, zero, zero_state


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["weight", "kernel", "filter", "shared_kernel", "row", "channel", "layer"]),
    st.sampled_from([1, 2]),
    st.booleans(),
    st.integers(0, 99),
)
def test_exactly_the_dead_groups_vanish(name: str, groups: int, last: bool, seed: int) -> None:
    layer = nn.Conv2d(4, 6, (3, 2), groups=groups)
    if last:
        layer.to(memory_format=torch.channels_last)
    (grouped,) = of_layer(name, layer)
    rng = np.random.default_rng(seed)
    dead = torch.from_numpy(rng.random(grouped.count) < 0.5)
    before = layer.weight.detach().clone()
    zero(grouped, dead)
    kept = kept_weights(grouped, dead)
    assert torch.equal(grouped.view(), grouped.view(before) * kept)
    rows = grouped.rows(kept)
    assert torch.equal(rows, (~dead).unsqueeze(1).expand_as(rows))


def test_only_a_part_of_a_weight() -> None:
    layer = nn.MultiheadAttention(4, 2)
    (key,) = of_layer("key", layer)
    before = layer.in_proj_weight.detach().clone()
    zero(key, torch.tensor([False, True]))
    changed = (layer.in_proj_weight != before).any(1)
    assert changed.nonzero().squeeze(1).tolist() == [6, 7]


def test_nan_and_infinity_vanish_too() -> None:
    weight = torch.tensor([[torch.nan, torch.inf], [1.0, 2.0]])
    for dims in ((1,), ()):
        copy = weight.clone()
        dead = torch.tensor([True, False]) if dims else torch.tensor([True, True, False, False])
        zero(Grouped("w", copy, dims), dead)
        assert copy.tolist() == [[0, 0], [1, 2]]


OPTIMIZERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "sgd": lambda net: SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda net: SGD(net.parameters(), 0.1, momentum=0.9, nesterov=True),
    "adam": lambda net: Adam(net.parameters(), 0.01, amsgrad=True),
    "adamw": lambda net: AdamW(net.parameters(), 0.01, weight_decay=0.1),
    "rmsprop": lambda net: RMSprop(net.parameters(), 0.01, momentum=0.9, centered=True),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("name", ["weight", "filter"])
def test_what_an_optimizer_remembers(kind: str, name: str) -> None:
    layer = nn.Conv2d(2, 3, 2)
    other = nn.Conv2d(2, 3, 2)
    optimizer = OPTIMIZERS[kind](nn.Sequential(layer, other))
    (grouped,) = of_layer(name, layer)
    dead = torch.arange(grouped.count) % 3 == 1
    zero_state(grouped, dead, optimizer)  # nothing is remembered before the first step
    (layer(torch.ones(1, 2, 4, 4)) + other(torch.ones(1, 2, 4, 4))).square().sum().backward()
    optimizer.step()
    states = [kept.clone() for kept in optimizer.state[layer.weight].values() if kept.ndim == 4]
    apart = {key: torch.clone(kept) for key, kept in optimizer.state[other.weight].items()}
    assert states
    zero_state(grouped, dead, optimizer)
    kept = kept_weights(grouped, dead).view(layer.weight.shape)
    after = [kept for kept in optimizer.state[layer.weight].values() if kept.ndim == 4]
    assert all(torch.equal(one, two * kept) for one, two in zip(after, states, strict=True))
    assert all(torch.equal(optimizer.state[other.weight][key], apart[key]) for key in apart)


def test_share_counts_weights_and_not_groups() -> None:
    small, large = (of_layer("filter", nn.Conv2d(size, 2, 1))[0] for size in (1, 9))
    half = torch.tensor([True, False])
    assert share_of({"a": (small, half), "b": (large, ~half & False)}) == 1 / 20
    assert share_of({"a": (small, half), "b": (large, half)}) == 0.5
    assert share_of({}) == 0
