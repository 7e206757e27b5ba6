"""Removal against the network itself: every pattern, dead channels and half of all."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.graph.channels import OUTPUT, ChannelGraph
from mobilekit.compress.pruning import Pruned, listed, masked, prune
from mobilekit.compress.trial import Options
from mobilekit.core.errors import ModelError, NoEffectError
from tests.compress.graph.patterns import IMAGE, PATTERNS, DictOutputs, Gated, Halves, Shared
from tests.compress.graph.random_nets import every_second, randomize, zero

EXACT = 1e-5
"""Of the largest output: some hundred float32 roundings; wrong channels give 1e-2 and more."""


def made(name: str) -> tuple[nn.Module, list[Tensor]]:
    build, shape = PATTERNS[name]
    with torch.random.fork_rng():
        torch.manual_seed(7)  # noqa: TID251  the patterns use the global generator
        network = build().eval()
    randomize(network)
    return network, [torch.zeros(shape)]


def dead(network: nn.Module, inputs: list[Tensor]) -> ChannelGraph:
    graph = ChannelGraph(network, inputs)
    zero(graph, network, every_second(graph))
    return graph


@pytest.mark.parametrize("name", PATTERNS)
def test_dead_channels_go_without_a_trace(name: str) -> None:
    network, inputs = made(name)
    dead(network, inputs)
    try:
        pruned = prune(network, inputs)
    except NoEffectError:
        pytest.fail("half of the channels are dead, and none went")
    samples, _ = resolutions(network, inputs)
    assert residual(network, pruned.network, samples) <= EXACT
    assert pruned.coverage.removed > 0


@pytest.mark.parametrize("name", PATTERNS)
def test_half_of_the_channels_go_as_if_they_were_zero_where_they_are_read(name: str) -> None:
    network, inputs = made(name)
    pruned = prune(network, inputs, every_second)
    before = sum(p.numel() for p in network.parameters())
    after = sum(p.numel() for p in pruned.network.parameters())
    assert after < before
    if pruned.comparable:
        samples, _ = resolutions(network, inputs)
        assert residual(pruned.reference(), pruned.network, samples) <= EXACT
    else:
        pruned.network.eval()(*inputs)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_layer_is_accounted_for(name: str) -> None:
    network, inputs = made(name)
    rows = {row.layer: row for row in prune(network, inputs, every_second).coverage.layers}
    layers = {
        key
        for key, module in network.named_modules()
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd))
    }
    assert layers <= set(rows)
    for row in rows.values():
        assert (row.state == "pruned") == (row.after < row.before)
        assert row.reason or row.state in {"pruned", "whole"}
    heads = [row for row in rows.values() if row.reason == OUTPUT]
    assert heads
    assert all(row.before == row.after for row in heads)


def test_a_frozen_network_is_pruned_and_stays_frozen() -> None:
    network, inputs = made("dense")
    network.requires_grad_(False)
    pruned = prune(network, inputs, every_second)
    assert pruned.coverage.removed > 0
    assert not any(p.requires_grad for p in pruned.network.parameters())


def test_half_precision() -> None:
    network, inputs = made("squeeze and excite")
    network, inputs = network.half(), [tensor.half() for tensor in inputs]
    dead(network, inputs)
    pruned = prune(network, inputs)
    assert {p.dtype for p in pruned.network.parameters()} == {torch.float16}
    assert residual(network, pruned.network, resolutions(network, inputs)[0]) <= 2e-2


def test_the_network_is_left_as_found() -> None:
    network, inputs = made("dense")
    network.train()
    network.norm1.eval()
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    prune(network, inputs, every_second)
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in (network, network.norm1, network.norm2)] == [True, False, True]
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_two_prunings_in_a_row() -> None:
    network, inputs = made("channel shuffle")
    once = prune(network, inputs, every_second)
    randomize(once.network)
    twice = prune(once.network, inputs, every_second)
    assert residual(twice.reference(), twice.network, resolutions(network, inputs)[0]) <= EXACT
    assert twice.coverage.removed > 0


def test_the_pruned_network_trains() -> None:
    network, inputs = made("dense")
    smaller = prune(network, inputs, every_second).network.train()
    smaller(torch.randn(2, *IMAGE[1:])).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in smaller.parameters())


def test_dictionary_outputs_keep_their_names_and_heads() -> None:
    network, inputs = made("dict outputs")
    assert isinstance(network, DictOutputs)
    outputs = prune(network, inputs, every_second).network(*inputs)
    assert {key: value.shape[1] for key, value in outputs.items()} == {"aux": 4, "out": 5}


def test_heads_go_when_they_are_asked_for() -> None:
    network, inputs = made("dict outputs")
    outputs = prune(network, inputs, every_second, Options(allow_head=True)).network(*inputs)
    assert {key: value.shape[1] for key, value in outputs.items()} == {"aux": 2, "out": 3}


def test_a_shared_convolution_is_cut_once_and_fits_both_places() -> None:
    network, inputs = made("shared convolution")
    assert isinstance(network, Shared)
    smaller = prune(network, inputs, every_second).network
    assert smaller.twice.weight.shape == (8, 8, 3, 3)
    assert smaller.stem.weight.shape[0] == 8


def test_a_gate_keeps_constants_from_being_folded() -> None:
    """SiLU of a shift is a constant, and the gate makes it vary: only channels whose gate is dead go."""
    network, inputs = made("squeeze and excite")
    assert isinstance(network, Gated)
    with torch.no_grad():
        network.stem.weight[:4] = 0  # the gate's rows live
    with pytest.raises(NoEffectError, match="no filter is zero"):
        prune(network, inputs)
    with torch.no_grad():
        network.up.weight[:4] = 0
    pruned = prune(network, inputs)
    assert pruned.network.stem.out_channels == 13  # one carries
    assert residual(network, pruned.network, resolutions(network, inputs)[0]) <= EXACT


def test_equal_pieces_stay_equal() -> None:
    network, inputs = made("halves")
    assert isinstance(network, Halves)
    smaller = prune(network, inputs, first_half).network
    assert smaller.stem.out_channels == 2 * smaller.branch.in_channels


def first_half(graph: ChannelGraph) -> Tensor:
    wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
    group = graph.groups[0]
    wanted[group.channels[: len(group.channels) // 2]] = True
    return wanted


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("slice", {"stem": 16, "first": 4, "second": 4}),
        ("hard-coded view", {"middle": 8, "hidden": 16}),
        ("option A", {"stem": 8, "conv1": 16, "conv2": 16}),
        ("attention", {"embed": 16, "qkv": 48, "up": 32}),
        ("multi-head attention", {"embed": 16, "up": 32, "attention.out_proj": 16}),
    ],
)
def test_numbers_in_the_code_are_rewritten(name: str, layers: dict[str, int]) -> None:
    network, inputs = made(name)
    pruned = prune(network, inputs, every_second)
    assert pruned.rewritten
    after = {row.layer: row.after for row in pruned.coverage.layers}
    assert {layer: after[layer] for layer in layers} == layers
    assert pruned.network.state_dict().keys() == network.state_dict().keys()
    assert pruned.network(torch.randn(3, *inputs[0].shape[1:])).shape[0] == 3


def test_a_network_that_torch_fx_cannot_trace_is_pinned_there_and_says_so() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.middle = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3)
            self.head = nn.Linear(16 * 9, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.middle(torch.relu(self.stem(x)))
            while x.shape[-1] > 3:
                x = F.avg_pool2d(x, 2)
            return self.head(x.view(-1, 16 * 9))

    network = Loop().eval()
    pruned = prune(network, [torch.zeros(1, 3, 16, 16)], every_second)
    rows = {row.layer: row for row in pruned.coverage.layers}
    assert rows["stem"].after == 8
    assert rows["middle"].state == "pinned"
    assert "view at test_exactness.py" in rows["middle"].reason
    assert pruned.rewritten == ()


def test_filters_by_name_and_masks() -> None:
    network, inputs = made("dict outputs")
    smaller = prune(network, inputs, lambda graph: listed(graph, {"stem": [3, 5]})).network
    assert smaller.stem.out_channels == 14
    mask = torch.ones_like(network.middle.weight)
    mask[4:7] = 0
    smaller = prune(network, inputs, lambda g: masked(g, {"middle.weight": mask})).network
    assert smaller.middle.out_channels == 13
    graph = ChannelGraph(network, inputs)
    with pytest.raises(ModelError, match=r"Did you mean.*stem|stem"):
        listed(graph, {"stemm": [0]})
    with pytest.raises(ModelError, match="has 16 filters, there is no filter 16"):
        listed(graph, {"stem": [16]})
    with pytest.raises(
        ModelError, match=r"mask of shape \[3\] for a parameter of \[16, 16, 3, 3\]"
    ):
        masked(graph, {"middle.weight": torch.ones(3)})


def test_rounding_keeps_a_multiple() -> None:
    network, inputs = made("dict outputs")
    pruned = prune(network, inputs, three_of_four, Options(round_to=8))
    assert {row.after for row in pruned.coverage.layers if row.reason != OUTPUT} == {8}


def test_rounding_may_keep_everything() -> None:
    network, inputs = made("dict outputs")
    with pytest.raises(NoEffectError, match="smaller multiple"):
        prune(network, inputs, every_second, Options(round_to=16))


def three_of_four(graph: ChannelGraph) -> Tensor:
    wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
    for group in graph.groups:
        if not group.pins:
            wanted[group.channels] = True
            wanted[group.channels[::4]] = False
    return wanted


def test_one_channel_remains() -> None:
    network, inputs = made("dict outputs")
    everything = prune(network, inputs, lambda graph: ~graph.channels.pinned)
    assert min(row.after for row in everything.coverage.layers) == 1
    leaves = pytree.tree_leaves(everything.network(*inputs))
    assert all(bool(leaf.isfinite().all()) for leaf in leaves)


def test_the_index_map_gives_the_kept_weights() -> None:
    network, inputs = made("dict outputs")
    pruned: Pruned = prune(network, inputs, every_second)
    for name, parameter in pruned.network.named_parameters():
        whole = network.get_parameter(name)
        for dimension, indices in pruned.kept.get(name, {}).items():
            whole = whole.index_select(dimension, indices)
        assert torch.equal(whole, parameter)
