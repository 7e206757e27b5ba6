"""The channel graph as values: what reaches what."""

import pytest
import torch
from torch import nn

from mobilekit.pipeline.channels import channel_map
from mobilekit.report.graph import ChannelMap, svg
from tests.compress.graph.patterns import IMAGE, PATTERNS


def mapped(name: str) -> ChannelMap:
    build, shape = PATTERNS[name]
    return channel_map(build().eval(), [torch.zeros(shape)])


def edges(channels: ChannelMap) -> set[tuple[str, str]]:
    nodes = channels.nodes
    return {(nodes[source].name, node.name) for node in nodes for source in node.sources}


@pytest.mark.parametrize("name", PATTERNS)
def test_every_layer_is_there_and_everything_comes_from_somewhere(name: str) -> None:
    build, _ = PATTERNS[name]
    channels = mapped(name)
    named = {node.name for node in channels.nodes if node.kind == "layer"}
    layers = {
        key
        for key, module in build().named_modules()
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd))
    }
    assert layers <= named | {layer.layer for layer in channels.others}
    for index, node in enumerate(channels.nodes):
        assert node.sources or node.kind == "input"
        assert all(source < index for source in node.sources)
        assert sum(part.channels for part in node.parts) == node.channels
    assert svg(name, channels).count("<g>") == len(channels.nodes)


def test_a_residual_joins() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.body = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.head = nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.stem(x))
            x = torch.relu_(x + self.body(x))
            return self.head(x.mean((2, 3)))

    channels = channel_map(Residual().eval(), [torch.zeros(IMAGE)], ["image"])
    assert edges(channels) == {
        ("image", "stem"), ("stem", "body"), ("stem", "add"), ("body", "add"), ("add", "head"),
        ("head", "output 0"),
    }  # fmt: skip
    free, pinned = channels.groups
    assert free.layers == ("stem", "body")
    assert pinned.layers == ("head",)
    assert pinned.pins == ("an output of the network",)
    assert [node.free for node in channels.nodes if node.kind == "layer"] == [8, 8, 0]


def test_a_shared_layer_is_drawn_where_it_runs() -> None:
    channels = mapped("shared convolution")
    twice = [node for node in channels.nodes if node.name == "twice"]
    assert len(twice) == 2
    assert channels.nodes[twice[1].sources[0]].name == "twice"


def test_an_operator_without_a_rule_is_a_node_of_its_own() -> None:
    class Fourier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.fft.fft2(self.stem(x)).abs())

    channels = channel_map(Fourier().eval(), [torch.zeros(IMAGE)])
    (unknown,) = [node for node in channels.nodes if node.kind == "unknown"]
    assert unknown.why.startswith("no rule for _fft")
    stem = channels.nodes[1]
    assert stem.holding == "unsupported"
    assert "test_channels.py" in stem.why


def test_a_layer_that_does_not_run_is_listed_apart() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1))
    net[0].spare = nn.Linear(3, 4)
    (other,) = channel_map(net.eval(), [torch.zeros(IMAGE)]).others
    assert (other.layer, other.state) == ("0.spare", "not run")


def test_several_inputs_and_outputs() -> None:
    class Ends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 1)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
            z = self.stem(x)
            return {"sum": z + y, "map": z}

    channels = channel_map(Ends().eval(), [torch.zeros(IMAGE), torch.zeros(1, 4, 32, 32)], ["x"])
    assert edges(channels) == {
        ("x", "stem"), ("stem", "add"), ("input 1", "add"), ("add", "output 0"), ("stem", "output 1"),
    }  # fmt: skip
