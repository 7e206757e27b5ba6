"""Random networks from the list of layers, random dead sets: always exact."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.pruning import prune
from mobilekit.core.errors import NoEffectError
from tests.compress.graph.random_nets import randomize, zero

BLOCKS = (
    "plain", "residual", "dense", "depthwise", "grouped", "transposed", "gate", "shuffle", "chunk",
    "pad", "inception", "slice",
)  # fmt: skip
WIDTH = 8


class Block(nn.Module):
    """One block of `WIDTH` channels in and out, of a given kind."""

    def __init__(self, kind: str, act: str, *, bias: bool, padding: int) -> None:
        super().__init__()
        self.kind, self.act, self.padding = kind, act, padding
        w, k = WIDTH, 2 * padding + 1
        self.norm = nn.BatchNorm2d(w)
        self.one = nn.Conv2d(w, w, k, padding=padding, bias=bias)
        self.two = nn.Conv2d(w, w, 3, padding=1, bias=bias)
        self.deep = nn.Conv2d(w, w, 3, padding=1, groups=w, bias=bias)
        self.group = nn.Conv2d(w, w, 3, padding=1, groups=2, bias=bias)
        self.up = nn.ConvTranspose2d(w, w, 2, stride=2, bias=bias)
        self.wide = nn.Conv2d(w, 2 * w, 1, bias=bias)
        self.join = nn.Conv2d(2 * w, w, 3, padding=1, bias=bias)
        self.linear = nn.Linear(w, w)
        self.four = nn.Conv2d(w, 4 * w, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:  # noqa: C901, PLR0911
        act = getattr(F, self.act)
        y = act(self.norm(self.one(x)))
        if self.kind == "residual":
            return x + self.two(y)
        if self.kind == "dense":
            return self.join(act(torch.cat([x, y], 1)))
        if self.kind == "depthwise":
            return act(self.deep(y))
        if self.kind == "grouped":
            return act(self.group(y))
        if self.kind == "transposed":
            return F.avg_pool2d(act(self.up(y)), 2)
        if self.kind == "gate":
            return y * torch.sigmoid(self.linear(y.mean((2, 3))))[:, :, None, None]
        if self.kind == "shuffle":
            return F.max_pool2d(F.pixel_shuffle(self.four(y), 2), 2)
        if self.kind == "chunk":
            first, second = self.wide(y).chunk(2, 1)
            return first + act(second)
        if self.kind == "pad":
            return F.pad(self.two(y)[:, 2:6], (0, 0, 0, 0, 2, 2)) + y
        if self.kind == "inception":
            return self.join(torch.cat([F.max_pool2d(y, 3, 1, 1), self.two(y)], 1))
        if self.kind == "slice":
            return torch.cat([y[:, :3], self.two(y)[:, 3:]], 1)
        return y


class Chain(nn.Module):
    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Conv2d(WIDTH, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(torch.relu(self.stem(x))))


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    blocks = draw(
        st.lists(
            st.builds(
                Block,
                st.sampled_from(BLOCKS),
                st.sampled_from(["relu", "silu", "hardswish", "tanh", "gelu"]),
                bias=st.booleans(),
                padding=st.sampled_from([0, 1]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    network = Chain(blocks).eval()
    seed = draw(st.integers(0, 2**16))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    randomize(network, seed)
    return network


@settings(max_examples=25, deadline=None, derandomize=True)
@given(chains(), st.integers(0, 2**16), st.floats(0.1, 0.9))
def test_random_dead_sets_go_exactly(network: Chain, seed: int, share: float) -> None:
    inputs = [torch.zeros(1, 3, 16, 16)]
    graph = ChannelGraph(network, inputs)
    generator = torch.Generator().manual_seed(seed)
    dead = torch.rand(graph.channels.count, generator=generator) < share
    zero(graph, network, dead & ~graph.channels.pinned)
    try:
        pruned = prune(network, inputs)
    except NoEffectError:
        return
    # float32: some hundred roundings of the largest intermediate value, which a head may cancel
    assert residual(network, pruned.network, resolutions(network, inputs)[0]) <= 3e-5


@settings(max_examples=15, deadline=None, derandomize=True)
@given(chains(), st.integers(0, 2**16), st.floats(0.1, 0.9))
def test_random_channels_go_as_if_they_were_zero(network: Chain, seed: int, share: float) -> None:
    inputs = [torch.zeros(1, 3, 16, 16)]

    def choice(graph: ChannelGraph) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(graph.channels.count, generator=generator) < share

    try:
        pruned = prune(network, inputs, choice)
    except NoEffectError:
        return
    assert residual(pruned.reference(), pruned.network, resolutions(network, inputs)[0]) <= 3e-5
