"""The axes together: at once, without training."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilekit.compress.sparsity.axes import Axes, sparsifier, sparsify
from mobilekit.compress.sparsity.criteria import CRITERIA
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError

IMAGE = (torch.zeros(2, 3, 8, 8),)


def net() -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2, groups=4), nn.BatchNorm2d(12), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 4),
    )  # fmt: skip
    for weight in network.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    return network


CONVOLUTIONS, LINEAR = ("0", "3", "6"), ("11", "13")


def dead_filters(network: nn.Module, name: str) -> int:
    weight = network.get_submodule(name).weight
    return int((weight.flatten(1) == 0).all(1).sum())


def zeros(network: nn.Module, name: str) -> int:
    return int((network.get_submodule(name).weight == 0).sum())


def test_half_of_each_layer() -> None:
    made = sparsify(net())
    assert [zeros(made, name) for name in (*CONVOLUTIONS, *LINEAR)] == [108, 36, 108, 36, 12]


def test_half_of_the_filters() -> None:
    wide = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 2, 1))
    made = sparsify(wide, IMAGE, granularity="filter")
    assert (dead_filters(made, "0"), dead_filters(made, "2")) == (32, 0)


@pytest.mark.parametrize("by", ["random", "large_final"])
def test_a_global_share_is_met(by: str) -> None:
    made = sparsify(net(), sparsity=0.6, context="global", criterion=by)
    total = 216 + 72 + 216 + 72 + 24
    assert sum(zeros(made, name) for name in (*CONVOLUTIONS, *LINEAR)) == 6 * total // 10


@pytest.mark.parametrize("by", sorted(CRITERIA))
@pytest.mark.parametrize("granularity", ["filter", "kernel", "weight", "2:4"])
def test_every_criterion_on_depthwise_and_grouped_convolutions(by: str, granularity: str) -> None:
    if CRITERIA[by].by_filter and granularity != "filter":
        with pytest.raises(RecipeError, match=f"{by} scores filters"):
            sparsify(net(), IMAGE, granularity="kernel", criterion=by)
        return
    network = net()
    if granularity == "2:4":
        network[0], network[3] = nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3, groups=2)
        network[6] = nn.Conv2d(8, 12, 3)
    images = torch.ones(2, network[0].in_channels, 8, 8)
    network(images).square().sum().backward()
    made = sparsify(network, (images,), granularity=granularity, criterion=by, layers=CONVOLUTIONS)
    for name in CONVOLUTIONS:
        weight = made.get_submodule(name).weight
        assert int((weight == 0).sum()) == weight.numel() // 2


def test_a_sparsity_that_takes_nothing_is_an_error() -> None:
    with pytest.raises(
        NoEffectError,
        match=r"sparsify: a sparsity of 0.5 of 5 groups \(layer, context local\) takes none",
    ):
        sparsify(net(), granularity="layer")
    with pytest.raises(NoEffectError, match="takes none"):
        sparsify(net(), sparsity=0.0)
    with pytest.raises(NoEffectError, match="takes none"):
        sparsify(net(), sparsity=0.01, granularity="filter")


def test_whole_layers_go_together() -> None:
    network = net()
    network[3].weight.data *= 1e-3
    made = sparsify(network, granularity="layer", context="global", sparsity=0.2)
    assert [zeros(made, name) for name in (*CONVOLUTIONS, *LINEAR)] == [0, 72, 0, 0, 0]


def test_what_makes_outputs_is_left_alone_unless_it_is_named() -> None:
    network = net()
    made, notes = sparsifier(network, Axes(granularity="row", without=CONVOLUTIONS), IMAGE)
    assert [group.layer for group in made.groups] == ["11"]
    assert notes == ("13 makes the network's outputs and is left alone",)
    named, notes = sparsifier(network, Axes(granularity="row", layers=LINEAR), IMAGE)
    assert [group.layer for group in named.groups] == ["11", "13"]
    assert not notes
    whole, _ = sparsifier(network, Axes(granularity="row", without=CONVOLUTIONS))
    assert [group.layer for group in whole.groups] == ["11", "13"]  # not known without inputs
    with pytest.raises(NoEffectError, match="every layer makes the network's outputs"):
        sparsify(nn.Sequential(nn.Conv2d(3, 4, 1)), IMAGE, granularity="filter")


def test_rows_of_kernels_are_no_outputs() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    made, notes = sparsifier(network, Axes(granularity="row"), IMAGE)
    assert [group.layer for group in made.groups] == ["0", "2"]
    assert not notes


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        ({"granularity": "kernl"}, RecipeError, "Did you mean kernel"),
        ({"criterion": "movmag"}, RecipeError, "Did you mean mov_mag"),
        ({"context": "globl"}, RecipeError, "Did you mean global"),
        ({"cost": "flops"}, RecipeError, "unknown cost 'flops'"),
        ({"sparsity": 1.0}, RecipeError, r"sparsity must be in \[0, 1\)"),
        ({"least": -1}, RecipeError, "least must be at least 0, not -1"),
        ({"clusters": 1}, RecipeError, "clusters must be 0 .none. or at least 2, not 1"),
        ({"clusters": 4}, RecipeError, "clustered scores filters"),
        ({"clusters": 4, "granularity": "filter"}, RecipeError, "clusters needs example inputs"),
        ({"context": "block"}, RecipeError, "the context or cost needs example inputs"),
        ({"cost": "macs", "context": "global"}, RecipeError, "the context or cost needs example inputs"),
        ({"cost": "macs"}, RecipeError, "cost macs weighs layers .* its context is global or block"),
        ({"cost": "params", "context": {"0": 0.5}}, RecipeError, "its context is global or block"),
        ({"criterion": "batch_norm_scale", "granularity": "filter"}, RecipeError, "needs example"),
        ({"granularity": "2:4", "context": "global"}, RecipeError, "its context is local"),
        ({"granularity": "2:4", "context": {"0": 0.5}}, RecipeError, "its context is local"),
        ({"granularity": "1:4", "sparsity": 0.6}, RecipeError, "1:4 is a sparsity of 0.75, not 0.6"),
        ({"granularity": "2:4"}, ModelError, "0: 2:4 needs inputs in blocks of 4, but it has 3"),
        ({"granularity": "filter", "layers": ("13",)}, ModelError, "13: a Linear has no"),
        ({"criterion": "taylor"}, ModelError, "0: taylor needs gradients"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(axes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sparsify(net(), **axes)


def test_filters_without_a_norm_are_named_before_training() -> None:
    network = net()
    network[4] = nn.Identity()
    network[1] = nn.Identity()
    axes = Axes(granularity="filter", criterion="batch_norm_scale")
    with pytest.raises(ModelError, match=r"0: batch_norm_scale needs a batch norm behind it"):
        sparsifier(network, axes, IMAGE)


def test_scales_are_those_at_the_time_of_pruning() -> None:
    network = net()
    axes = Axes(granularity="filter", criterion="batch_norm_scale", layers=("6",))
    made, _ = sparsifier(network, axes, IMAGE)
    with torch.no_grad():
        network[7].weight.copy_(torch.tensor([-1.0, 0.1] * 6))
    made.update(1.0)
    assert (network[6].weight.flatten(1) == 0).all(1).tolist() == [False, True] * 6


def test_multiplications_weigh() -> None:
    """At equal scores the filters that run at more positions go first."""
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.MaxPool2d(4), nn.Conv2d(4, 4, 1))
    for weight in network.parameters():
        nn.init.ones_(weight)
    images = (torch.zeros(1, 4, 8, 8),)
    options = {
        "granularity": "filter",
        "context": "global",
        "sparsity": 0.375,
        "layers": ("0", "2"),
    }
    made = sparsify(network, images, cost="macs", **options)
    assert [dead_filters(made, name) for name in ("0", "2")] == [3, 0]
    made = sparsify(network, images, **options)
    assert [dead_filters(made, name) for name in ("0", "2")] == [0, 3]


def test_layers_of_a_size_are_compared() -> None:
    network = net()
    network[0].weight.data *= 1e-3
    network[6].weight.data *= 1e3
    made = sparsify(network, IMAGE, context="block", granularity="filter")
    assert [dead_filters(made, name) for name in CONVOLUTIONS] == [7, 1, 6]


def test_sparsities_by_name() -> None:
    made = sparsify(net(), context={"0": 0.75, "*": 0.25})
    assert [zeros(made, name) for name in (*CONVOLUTIONS, *LINEAR)] == [162, 18, 54, 18, 6]


@pytest.mark.parametrize("by", ["large_final", "random", "taylor", "fpgm", "batch_norm_scale"])
def test_everything_is_left_as_found(by: str) -> None:
    network = net()
    network[1].eval()
    network[3].weight.requires_grad_(requires_grad=False)
    network(torch.ones(2, 3, 8, 8)).sum().backward()
    before = copy.deepcopy(network)
    slopes = [None if each.grad is None else each.grad.clone() for each in network.parameters()]
    random, numpy_random = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    made = sparsify(network, IMAGE, granularity="filter", criterion=by)
    assert torch.equal(torch.get_rng_state(), random)
    assert np.array_equal(np.random.get_state()[1], numpy_random)  # noqa: NPY002
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before.state_dict()[name])
    for each, slope in zip(network.parameters(), slopes, strict=True):
        assert (each.grad is None) == (slope is None)
        assert slope is None or torch.equal(each.grad, slope)
    for found in (network, made):
        modes = [each.training for each in found.modules()]
        assert modes == [each.training for each in before.modules()]
        assert [each.requires_grad for each in found.parameters()] == [
            each.requires_grad for each in before.parameters()
        ]
    assert all(each.grad is None for each in made.parameters())
    assert dead_filters(made, "0") == 4
    assert zeros(made, "3") == 0  # does not train


def test_the_same_seed_gives_the_same_bits() -> None:
    runs = [
        torch.cat(
            [
                each.flatten()
                for each in sparsify(net(), seed=seed, criterion="random").state_dict().values()
            ]
        )
        for seed in (3, 3, 4)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["weight", "kernel", "filter", "row", "shared_kernel", "channel"]),
    st.sampled_from(["local", "global"]),
    st.sampled_from(["none", "params"]),
    st.integers(30, 95),
    st.integers(1, 3),
)
def test_kept_weights_are_bit_equal(
    granularity: str, context: str, cost: str, percent: int, groups: int
) -> None:
    network = nn.Sequential(
        nn.Conv2d(2 * groups, 4 * groups, (3, 2), groups=groups),
        nn.ConvTranspose2d(4 * groups, 6, 2),
    )
    cost = cost if context == "global" else "none"
    axes = {"granularity": granularity, "context": context, "cost": cost}
    made = sparsify(network, sparsity=percent / 100, **axes)
    for one, two in zip(network.parameters(), made.parameters(), strict=True):
        gone = two == 0
        assert torch.equal(torch.where(gone, 0, one), two)
    assert any(bool((each == 0).any()) for each in made.parameters())


class Vision(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.block = nn.TransformerEncoderLayer(8, 4, 16, batch_first=True, dropout=0.0)
        self.head = nn.Linear(8, 3)

    def forward(self, image: Tensor) -> Tensor:
        tokens = self.patches(image).flatten(2).transpose(1, 2)
        made: Tensor = self.head(self.block(tokens).mean(1))
        return made


@pytest.mark.parametrize("granularity", ["head", "query", "key", "value"])
@pytest.mark.parametrize("cost", ["none", "params", "macs"])
def test_half_of_the_heads(granularity: str, cost: str) -> None:
    made = sparsify(Vision(), IMAGE, granularity=granularity, cost=cost, context="global")
    parts = made.block.self_attn.in_proj_weight.view(3, 4, -1)
    dead = (parts == 0).all(2).sum(1).tolist()
    place = {"query": 0, "key": 1, "value": 2}.get(granularity)
    assert dead == [2 if place in {None, k} else 0 for k in range(3)]
