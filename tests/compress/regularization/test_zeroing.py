"""The epoch's rule against a loop, and that zeros stay."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mobilekit.compress.regularization.kernel_sparsity import values
from mobilekit.compress.regularization.zeroing import doomed, end_epoch
from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.masks import zero
from mobilekit.core.errors import ModelError, RecipeError

VALUE = st.sampled_from([0.0, 0.001, 0.01, 1.0]) | st.floats(0, 10, width=32)
VALUES = st.lists(st.lists(VALUE, min_size=1, max_size=6), min_size=1, max_size=4)


def by_loop(layers: list[list[float]], threshold: float, least: int) -> list[list[bool]]:
    gone = [[False] * len(layer) for layer in layers]
    every = [(n, layer, k) for layer, ns in enumerate(layers) for k, n in enumerate(ns)]
    total = float(torch.tensor([n for n, _, _ in every], dtype=torch.float64).sum())
    running = 0.0
    for n, layer, k in sorted(every):
        if total > 0:
            running += n / total
            gone[layer][k] = running < threshold
    for layer, ns in enumerate(layers):
        for k in sorted(range(len(ns)), key=lambda place: (-ns[place], place))[:least]:
            gone[layer][k] = False
    return gone


@settings(deadline=None, max_examples=300)
@given(VALUES, st.floats(0, 0.99), st.integers(0, 3))
def test_what_goes_is_what_a_loop_takes(
    layers: list[list[float]], threshold: float, least: int
) -> None:
    found = doomed(
        {
            str(place): torch.tensor(layer, dtype=torch.float64)
            for place, layer in enumerate(layers)
        },
        threshold,
        least,
    )
    assert [mask.tolist() for mask in found.values()] == by_loop(layers, threshold, least)


@settings(deadline=None)
@given(VALUES, st.floats(0, 0.99))
def test_what_goes_holds_less_than_the_threshold(
    layers: list[list[float]], threshold: float
) -> None:
    tensors = {str(place): torch.tensor(layer) for place, layer in enumerate(layers)}
    found = doomed(tensors, threshold, least=0)
    gone = sum(float(tensors[name].double()[mask].sum()) for name, mask in found.items())
    total = sum(float(tensor.double().sum()) for tensor in tensors.values())
    assert gone <= threshold * total * (1 + 1e-12)


def test_the_last_filter_of_a_layer_stays_unless_asked() -> None:
    found = {"a": torch.tensor([1e-6, 1e-5, 1e-6]), "b": torch.tensor([1.0, 2.0])}
    assert doomed(found)["a"].tolist() == [True, False, True]
    assert doomed(found, least=2)["a"].tolist() == [False, False, True]
    assert doomed(found, least=0)["a"].tolist() == [True, True, True]
    assert not doomed(found, least=0)["b"].any()


def test_a_filter_at_the_threshold_stays() -> None:
    # 1 / 4 exactly
    assert doomed({"a": torch.tensor([1.0, 3.0])}, 0.25)["a"].tolist() == [False, False]
    assert doomed({"a": torch.tensor([1.0, 3.0])}, 0.26)["a"].tolist() == [True, False]


def test_zeros_only_lose_nothing_more() -> None:
    assert not doomed({"a": torch.zeros(3)}, least=0)["a"].any()
    assert doomed({}) == {}


def network() -> nn.Sequential:
    made = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.SiLU(), nn.ConvTranspose2d(6, 4, 2, groups=2), nn.Conv2d(4, 5, 1)
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in made.parameters():
            weight.uniform_(-1, 1, generator=generator)
        made[0].weight[[1, 4]] *= 1e-4
        made[2].weight[:3, 1] *= 1e-4  # output channel 1
    return made


def test_an_epoch_zeroes_weights_and_remembers_them() -> None:
    made = network()
    layers = groups_of(made, "filter")
    before = {name: value.clone() for name, value in made.named_parameters()}
    dead = end_epoch(layers, {})
    assert [mask.nonzero().flatten().tolist() for mask in dead.values()] == [[1, 4], [1], []]
    assert not made[0].weight[[1, 4]].any()
    assert not made[2].weight[:3, 1].any()
    for name, value in made.named_parameters():
        assert torch.equal(value[value != 0], before[name][value != 0])
        assert name.endswith("weight") or torch.equal(value, before[name])
    assert int((made[0].weight == 0).sum()) == 2 * 27
    with torch.no_grad():
        made[0].weight[4] = 5.0  # an optimizer's momentum, say
    again = end_epoch(layers, dead)
    assert not made[0].weight[4].any()
    assert {name: mask.tolist() for name, mask in again.items()} == {
        name: mask.tolist() for name, mask in dead.items()
    }
    assert dead is not again


def test_epochs_never_kill_a_layer() -> None:
    made = network()
    layers = groups_of(made, "filter")
    dead: dict[str, torch.Tensor] = {}
    for _ in range(200):
        dead = end_epoch(layers, dead, threshold=0.9)
    assert [int((~mask).sum()) for mask in dead.values()] == [1, 1, 1]
    assert all((one > 0).sum() == 1 for one in values(layers).values())


def test_momentum_is_zeroed_by_the_same_map() -> None:
    made = network()
    filters = groups_of(made, "filter")[1]
    momentum = torch.ones_like(filters.weight)
    zero(filters, torch.tensor([False, True, False, True]), momentum)
    expected = torch.ones_like(momentum)
    expected[:3, 1] = 0
    expected[3:, 1] = 0
    assert torch.equal(momentum, expected)
    assert filters.weight.any()


def test_values_that_are_not_finite_are_named() -> None:
    made = network()
    with torch.no_grad():
        made[2].weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"2\.weight has weights that are not finite"):
        end_epoch(groups_of(made, "filter"), {})


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_a_threshold_is_a_fraction_below_one(threshold: float) -> None:
    with pytest.raises(RecipeError, match=r"threshold must be in \[0, 1\)"):
        doomed({"a": torch.ones(2)}, threshold)


def test_at_least_no_filter_stays() -> None:
    with pytest.raises(RecipeError, match="least must be at least 0, not -1"):
        doomed({"a": torch.ones(2)}, least=-1)


def test_rows_of_a_linear_layer_can_be_filters() -> None:
    weight = torch.ones(3, 4)
    weight[1] = 1e-5
    dead = end_epoch([Grouped("head", weight, (1,))], {})
    assert dead["head"].tolist() == [False, True, False]
    assert weight.sum(1).tolist() == [4, 0, 4]
