"""Whole heads of attention, and pairs of queries and keys that add nothing."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from mobilekit.compress.base import Context
from mobilekit.compress.checking import residual
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.pruning import prune
from mobilekit.compress.steps.prune import Prune
from mobilekit.compress.trial import Options
from mobilekit.core.errors import NoEffectError
from tests.compress.graph.patterns import PATTERNS


class Fused(nn.Module):
    """Attention as libraries write it: one projection, PyTorch's fused operator."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = 4
        self.embed = nn.Conv2d(3, 32, 4, stride=4)
        self.qkv, self.proj = nn.Linear(32, 96), nn.Linear(32, 32)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        b, t, c = x.shape
        qkv = self.qkv(x).reshape(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, -1)
        return self.head((x + self.proj(y)).mean(1))


class Pairs(nn.Module):
    """Projections of their own, so that queries and keys may be narrower than values."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1)
        self.v, self.head = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.q(x).flatten(2), self.k(x).flatten(2), self.v(x).flatten(2)
        weights = torch.softmax(q.transpose(1, 2) @ k * 0.3, -1)
        return self.head((v @ weights.transpose(1, 2)).unflatten(2, x.shape[2:]))


def made(name: str) -> tuple[nn.Module, list[Tensor], str, int]:
    """Return a network, its input, the weight that projects to heads, and how many there are."""
    with torch.random.fork_rng():
        torch.manual_seed(6)  # noqa: TID251
        if name == "fused":
            return Fused().eval(), [torch.zeros(1, 3, 32, 32)], "qkv", 4
        if name == "vit":
            network = models.VisionTransformer(32, 8, 2, 4, 32, 64, num_classes=5).eval()
            nn.init.normal_(network.heads.head.weight)
            return network, [torch.zeros(1, 3, 32, 32)], "encoder", 4
        build, shape = PATTERNS[name]
        return build().eval(), [torch.zeros(shape)], {"attention": "qkv"}.get(name, "attention"), 4


NAMES = ["attention", "multi-head attention", "fused", "vit"]


def first_heads(graph: ChannelGraph, layer: str, count: int) -> Tensor:
    """Want the first so many heads of each attention."""
    wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
    for group in graph.groups:
        if group.name.startswith(layer) and len(group.channels) == 4 and not group.pins:
            wanted[group.channels[:count]] = True
    assert bool(wanted.any())
    return wanted


def without(network: nn.Module, count: int) -> nn.Module:
    """Take the first heads away by hand: what the output projection reads of them is zero."""
    result = copy.deepcopy(network)
    with torch.no_grad():
        for name, module in result.named_modules():
            if name.endswith(("out_proj", "proj", "out")) and isinstance(module, nn.Linear):
                module.weight[:, : count * 8] = 0
    return result


@pytest.mark.parametrize("name", NAMES)
def test_a_head_goes_as_if_nobody_read_it(name: str) -> None:
    network, inputs, layer, count = made(name)
    pruned = prune(
        network, inputs, lambda g: first_heads(g, layer, count // 2), Options(heads=True)
    )
    sample = torch.randn(inputs[0].shape, generator=torch.Generator().manual_seed(1))
    assert residual(without(network, count // 2), pruned.network, [[sample]]) <= 1e-6
    assert residual(network, pruned.network, [[sample]]) > 1e-4
    before, after = (sum(p.numel() for p in n.parameters()) for n in (network, pruned.network))
    assert after < before
    assert pruned.comparable


@pytest.mark.parametrize("name", NAMES)
def test_dead_heads_go_exactly(name: str) -> None:
    network, inputs, layer, _ = made(name)
    graph = ChannelGraph(network, inputs, heads=True)
    dead = first_heads(graph, layer, 2)
    with torch.no_grad():
        for axis in graph.writers:
            weight = network.get_parameter(axis.parameter).movedim(axis.dimension, 0)
            weight[dead[graph.channels_of(axis)]] = 0
    if (
        name == "vit"
    ):  # PyTorch's module shows its heads only once it is opened, which a choice makes it
        pruned = prune(network, inputs, lambda g: first_heads(g, layer, 2), Options(heads=True))
    else:
        pruned = prune(network, inputs, options=Options(heads=True))
    sample = torch.randn(inputs[0].shape, generator=torch.Generator().manual_seed(1))
    assert residual(network, pruned.network, [[sample]]) <= 1e-5


def test_heads_are_not_rounded_to_eight() -> None:
    network, inputs, _, _ = made("attention")
    step = Prune(sparsity=0.25, heads=True)
    pruned, _ = step.carry_out(network, Context(inputs))
    assert pruned.network.qkv.out_features == 3 * 3 * 8
    assert pruned.network.up.out_features == 48


def test_parts_of_heads_go_without_the_option() -> None:
    network, inputs, _, _ = made("attention")
    groups = {group.name: len(group.channels) for group in ChannelGraph(network, inputs).groups}
    assert groups["qkv"] == 8
    groups = {g.name: len(g.channels) for g in ChannelGraph(network, inputs, heads=True).groups}
    assert groups["qkv"] == 4


@pytest.mark.parametrize("side", ["q", "k"])
def test_a_pair_that_is_zero_on_one_side_goes_exactly(side: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(8)  # noqa: TID251
        network = Pairs().eval()
    inputs = [torch.zeros(1, 3, 8, 8)]
    with torch.no_grad():
        network.q.weight[:3], network.k.weight[:3] = 0, 0
        network.get_submodule(side).bias[:2] = 0  # the third has a constant on both sides
    pruned = prune(network, inputs)
    assert (pruned.network.q.out_channels, pruned.network.k.out_channels) == (6, 6)
    assert pruned.refused == 1
    sample = torch.randn(2, 3, 8, 12)
    assert residual(network, pruned.network, [[sample]]) <= 1e-6


def test_a_pair_with_constants_on_both_sides_stays() -> None:
    network = Pairs().eval()
    with torch.no_grad():
        network.q.weight[:3], network.k.weight[:3] = 0, 0
    with pytest.raises(NoEffectError, match="3 dead channels"):
        prune(network, [torch.zeros(1, 3, 8, 8)])
