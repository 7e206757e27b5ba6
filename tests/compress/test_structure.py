"""A smaller network from a freshly built original, a structure and weights: the same bits come out."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import _pytree as pytree

from mobilekit.compress.decomposition.rank import Fraction
from mobilekit.compress.graph.attention import OpenAttention
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.rewriting import opened
from mobilekit.compress.pruning import Pruned, prune
from mobilekit.compress.steps.decompose import decompose
from mobilekit.compress.steps.fold import fold
from mobilekit.compress.structure import chained, describe, restructure
from mobilekit.compress.structuring.folder import STRUCTURE, WEIGHTS, load, read, save
from mobilekit.compress.structuring.format import (
    Cut,
    Edit,
    Graph,
    Item,
    Layer,
    Structure,
    seal_of,
)
from mobilekit.core.errors import ArtifactError, ModelError, NoEffectError
from tests.compress.graph.patterns import PATTERNS, Encoder, HardView, Normed, Shared, Slice
from tests.compress.graph.random_nets import every_second, randomize, zero
from tests.compress.graph.test_random import Block, Chain, chains

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "structure.schema.json").read_text())
MODELS = torchvision.models


def seeded(build: Callable[[], nn.Module], seed: int) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # noqa: TID251  layers draw from the global generator
        network = build().eval()
    randomize(network, seed)
    return network


def vit() -> nn.Module:
    return MODELS.VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=10)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    **PATTERNS,
    "resnet18": (MODELS.resnet18, (1, 3, 64, 64)),
    "mobilenet_v3_small": (MODELS.mobilenet_v3_small, (1, 3, 64, 64)),
    "densenet121": (MODELS.densenet121, (1, 3, 64, 64)),
    "vit": (vit, (1, 3, 32, 32)),
}


def of(name: str) -> tuple[Any, list[Tensor]]:
    build, shape = NETWORKS[name]
    return seeded(build, 7), [torch.zeros(shape)]


def same_bits(one: nn.Module, two: nn.Module, inputs: list[Tensor]) -> None:
    generator = torch.Generator().manual_seed(2)
    sample = [torch.randn(2, *t.shape[1:], generator=generator).to(t) for t in inputs]
    with torch.no_grad():
        outputs = [pytree.tree_leaves(network.eval()(*sample)) for network in (one, two)]
    assert len(outputs[0]) == len(outputs[1]) > 0
    assert all(torch.equal(a, b) for a, b in zip(*outputs, strict=True))


def comes_back(
    folder: Path,
    build: Callable[[], nn.Module],
    networks: tuple[nn.Module, nn.Module],
    inputs: list[Tensor],
    kept: Any = None,
) -> Structure:
    """Save, load into a network of other weights, and compare every bit."""
    before, after = networks
    structure = describe(before, after, kept)
    save(folder, after, structure)
    assert read(folder / STRUCTURE) == structure
    content = json.loads((folder / STRUCTURE).read_text())
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    fresh = seeded(build, 8).train()
    shapes = {name: t.shape for name, t in fresh.state_dict().items()}
    loaded = load(folder, fresh)
    assert {name: t.shape for name, t in fresh.state_dict().items()} == shapes
    assert loaded.training
    first, second = after.state_dict(), loaded.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    same_bits(after, loaded, inputs)
    return structure


def half(network: nn.Module, inputs: list[Tensor]) -> Pruned:
    return prune(network, inputs, every_second)


@pytest.mark.parametrize("name", NETWORKS)
def test_half_pruned_networks_come_back(name: str, tmp_path: Path) -> None:
    network, inputs = of(name)
    pruned = half(network, inputs)
    pair = network, pruned.network
    structure = comes_back(tmp_path, NETWORKS[name][0], pair, inputs, pruned.kept)
    assert structure.tensors
    assert (structure.graph is not None) == bool(pruned.rewritten)
    for key, cut in structure.tensors.items():
        rows = {d: structure.indices[place] for d, place in cut.kept.items()}
        assert rows == {d: tuple(one.tolist()) for d, one in pruned.kept[key].items()}
        assert cut.shape == tuple(pruned.network.state_dict()[key].shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_without_their_dead_filters_come_back(name: str, tmp_path: Path) -> None:
    network, inputs = of(name)
    graph = ChannelGraph(network, inputs)
    zero(graph, network, every_second(graph))
    pruned = prune(network, inputs)
    pair = network, pruned.network
    structure = comes_back(tmp_path, NETWORKS[name][0], pair, inputs, pruned.kept)
    assert set(structure.added) == set(pruned.biases)


class Bare(nn.Module):
    """Dead filters with biases before convolutions without any: one gets a bias, one a carrier."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.third = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.silu(self.norm(self.second(functional.silu(self.first(x)))))
        return self.head(functional.silu(self.third(x)))


def test_biases_and_carriers_come_back(tmp_path: Path) -> None:
    network, inputs = seeded(Bare, 7), [torch.zeros(1, 3, 8, 8)]
    with torch.no_grad():
        network.first.weight[[2, 5]] = 0
        network.second.weight[[1, 3, 4]] = 0
    pruned = prune(network, inputs)
    assert pruned.carriers == 1
    pair = network, pruned.network
    structure = comes_back(tmp_path, Bare, pair, inputs, pruned.kept)
    assert structure.added == {"second.bias": (6,)}


@pytest.mark.parametrize("name", ["channel shuffle", "slice", "multi-head attention", "vit"])
def test_two_prunings_in_a_row_come_back(name: str, tmp_path: Path) -> None:
    network, inputs = of(name)
    once = half(network, inputs)
    twice = half(once.network, inputs)
    kept = chained(once.kept, twice.kept)
    structure = comes_back(tmp_path, NETWORKS[name][0], (network, twice.network), inputs, kept)
    assert any(cut.kept for cut in structure.tensors.values())


def test_kept_indices_lead_from_new_weights_to_old_ones(tmp_path: Path) -> None:
    network, inputs = of("resnet18")
    once = half(network, inputs)
    twice = half(once.network, inputs)
    structure = describe(network, twice.network, chained(once.kept, twice.kept))
    shaped = restructure(network, structure)  # of the same weights
    for name, tensor in shaped.named_parameters():
        assert torch.equal(tensor, twice.network.get_parameter(name)), name


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "volume", "halves"])
def test_folded_after_pruning_comes_back(name: str, tmp_path: Path) -> None:
    network, inputs = of(name)
    pruned = half(network, inputs)
    folded = fold(pruned.network, inputs)
    pair = network, folded.network
    structure = comes_back(tmp_path, NETWORKS[name][0], pair, inputs, pruned.kept)
    assert {p for p, layer in structure.layers.items() if layer.kind == "Identity"} == set(
        folded.folded
    )


def test_folded_before_pruning_comes_back(tmp_path: Path) -> None:
    network, inputs = of("mobilenet_v3_small")
    folded = fold(network, inputs)
    pruned = half(folded.network, inputs)
    pair = network, pruned.network
    structure = comes_back(tmp_path, NETWORKS["mobilenet_v3_small"][0], pair, inputs)
    assert structure.added
    assert structure.layers


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("resnet18", "channel_svd"),
        ("hard-coded view", "truncated_svd"),
        ("hard-coded view", "spatial_svd"),
        ("hard-coded view", "tucker2"),
    ],
)
def test_decomposed_networks_come_back(name: str, method: Any, tmp_path: Path) -> None:
    network, inputs = of(name)
    smaller = decompose(network, inputs, method, Fraction(0.3)).network
    structure = comes_back(tmp_path, NETWORKS[name][0], (network, smaller), inputs)
    assert {layer.kind for layer in structure.layers.values()} == {"Sequential"}
    pruned = half(smaller, inputs)
    comes_back(tmp_path, NETWORKS[name][0], (network, pruned.network), inputs)


def test_decomposed_twice_then_pruned_then_folded_comes_back(tmp_path: Path) -> None:
    def build() -> nn.Module:
        network = Slice()
        network.head = nn.Sequential(nn.Conv2d(16, 16, 3), NormAct(16), nn.Conv2d(16, 5, 1))
        network.second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        return network

    network, inputs = seeded(build, 7), [torch.zeros(1, 3, 16, 16)]
    after: nn.Module = fold(network, inputs, ["second.1"]).network
    after = decompose(after, inputs, "spatial_svd", Fraction(0.5), ["first", "other"]).network
    after = decompose(after, inputs, "channel_svd", Fraction(0.5), ["first.0"]).network
    after = half(after, inputs).network
    after = fold(after, inputs).network
    structure = comes_back(tmp_path, build, (network, after), inputs)
    assert structure.graph is not None
    assert set(structure.graph.layers) == {"first", "other", "head.1", "second.1"}
    assert structure.graph.layers["first"].parts["0"].kind == "Sequential"
    assert structure.graph.layers["second.1"] == Layer("Identity")


@pytest.mark.parametrize("name", ["hard-coded view", "slice"])
def test_a_traced_network_that_is_decomposed_comes_back(name: str, tmp_path: Path) -> None:
    network, inputs = of(name)
    pruned = half(network, inputs)
    smaller = decompose(pruned.network, inputs, "channel_svd", Fraction(0.2)).network
    structure = comes_back(tmp_path, NETWORKS[name][0], (network, smaller), inputs)
    assert structure.graph is not None
    assert structure.layers


def test_a_layer_alone_comes_back(tmp_path: Path) -> None:
    def build() -> nn.Module:
        return nn.Linear(32, 32)

    network, inputs = seeded(build, 7), [torch.zeros(1, 32)]
    smaller = decompose(network, inputs, "truncated_svd", Fraction(0.2)).network
    assert comes_back(tmp_path, build, (network, smaller), inputs).layers[""].kind == "Sequential"


class Numbers(nn.Module):
    """Numbers in the code of every kind: pieces by size, as functions and methods, a norm's shape."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.one, self.two = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 1)
        self.weight = nn.Parameter(torch.ones(16))
        self.shift = nn.Parameter(torch.zeros(16))
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        a, b = torch.split(x, [16, 16], 1)
        y = self.one(functional.relu(a)) + self.two(b)
        c, d = torch.cat([y, y], 1).split((16, 16), dim=1)
        e = torch.cat([c, d], 1)
        y = (e[..., :16, :, :] + e[:, -16:]).mean((2, 3)).reshape(-1, 16)
        return self.head(functional.layer_norm(y, (16,), self.weight, bias=self.shift, eps=1e-4))


def test_numbers_of_every_kind_come_back(tmp_path: Path) -> None:
    network, inputs = seeded(Numbers, 7), [torch.zeros(1, 3, 8, 8)]
    pruned = half(network, inputs)
    structure = comes_back(tmp_path, Numbers, (network, pruned.network), inputs, pruned.kept)
    assert structure.graph is not None
    assert len(structure.graph.edits) > 2


class Constant(HardView):
    """A tensor that is made on the way."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * torch.tensor([0.5, 1.0, 2.0]).reshape(1, 3, 1, 1))


def test_constants_come_back_and_are_not_left_in_the_network(tmp_path: Path) -> None:
    network, inputs = seeded(Constant, 7), [torch.zeros(1, 3, 32, 32)]
    own = set(vars(network))
    for _ in range(2):
        pruned = half(network, inputs)
        comes_back(tmp_path, Constant, (network, pruned.network), inputs, pruned.kept)
    assert pruned.rewritten
    assert set(vars(network)) == own


class Uneven(nn.Module):
    """Two pieces of one layer, of which one can lose channels: a chunk becomes a split by sizes."""

    def __init__(self, *, method: bool) -> None:
        super().__init__()
        self.method = method
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.one, self.two = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 1)
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        a, b = x.chunk(2, 1) if self.method else torch.chunk(x, 2, 1)
        return self.head(self.one(a) + self.two(b))


@pytest.mark.parametrize("method", [True, False])
def test_a_chunk_that_became_a_split_comes_back(method: bool, tmp_path: Path) -> None:
    def build() -> nn.Module:
        return Uneven(method=method)

    def first_third(graph: ChannelGraph) -> Tensor:
        wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
        for group in graph.groups:
            if not group.pins:
                wanted[group.channels[: len(group.channels) // 3]] = True
        return wanted

    network, inputs = seeded(build, 7), [torch.zeros(1, 3, 8, 8)]
    pruned = prune(network, inputs, first_third)
    structure = comes_back(tmp_path, build, (network, pruned.network), inputs, pruned.kept)
    assert structure.graph is not None
    assert [edit.split for edit in structure.graph.edits] == [True]


class NormAct(nn.BatchNorm2d):
    """A norm with an activation inside, as in timm."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.drop, self.act = nn.Identity(), nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(x)))


def test_an_activation_inside_a_folded_norm_is_kept(tmp_path: Path) -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3), NormAct(8), nn.Conv2d(8, 4, 1))

    network, inputs = seeded(build, 7), [torch.zeros(1, 3, 8, 8)]
    folded = fold(network, inputs)
    structure = comes_back(tmp_path, build, (network, folded.network), inputs)
    parts = structure.layers["1"].parts
    assert {name: part.kind for name, part in parts.items()} == {"drop": "kept", "act": "kept"}


class Tied(nn.Module):
    """Two layers of one weight, and a list that holds it too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 8)
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)
        self.two.weight = self.one.weight
        self.held = [self.one.weight]
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.one(functional.gelu(self.stem(x))))
        return self.head(functional.gelu(self.two(x)))


def test_shared_parameters_stay_shared(tmp_path: Path) -> None:
    network, inputs = seeded(Tied, 7), [torch.zeros(1, 6)]
    pruned = half(network, inputs)
    structure = comes_back(tmp_path, Tied, (network, pruned.network), inputs, pruned.kept)
    shaped: Any = restructure(seeded(Tied, 8), structure)
    assert shaped.one.weight is shaped.two.weight
    assert shaped.held[0] is shaped.one.weight
    assert shaped.one.weight.shape == (4, 4)


def test_a_shared_module_is_replaced_wherever_it_is(tmp_path: Path) -> None:
    class Twice(Shared):
        def __init__(self) -> None:
            super().__init__()
            self.again = self.twice
            self.inside = nn.ModuleList([self.twice])

    network, inputs = seeded(Twice, 7), [torch.zeros(1, 3, 8, 8)]
    smaller: Any = decompose(network, inputs, "channel_svd", Fraction(0.2)).network
    assert smaller.again is smaller.twice
    structure = comes_back(tmp_path, Twice, (network, smaller), inputs)
    loaded: Any = load(tmp_path, seeded(Twice, 8))
    assert loaded.again is loaded.twice is loaded.inside[0]
    assert list(structure.layers) == ["stem", "twice", "head"]


class Table(nn.Module):
    """A buffer that is not saved, as wide as the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.register_buffer("table", torch.linspace(1, 2, 8).reshape(1, 8, 1, 1), persistent=False)
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.relu(self.stem(x) * self.table))


def test_buffers_that_are_not_saved_are_cut_by_the_kept_indices(tmp_path: Path) -> None:
    network, inputs = seeded(Table, 7), [torch.zeros(1, 3, 8, 8)]
    pruned = half(network, inputs)
    comes_back(tmp_path, Table, (network, pruned.network), inputs, pruned.kept)
    with pytest.raises(ModelError, match=r"^table: changed, and is not among the saved weights"):
        describe(network, pruned.network)


def test_opened_attention_comes_back(tmp_path: Path) -> None:
    network, inputs = of("multi-head attention")
    after = opened(network)
    assert isinstance(after.attention, OpenAttention)
    structure = comes_back(tmp_path, Encoder, (network, after), inputs)
    assert structure.layers == {"attention": Layer("OpenAttention")}


def test_types_and_memory_layouts_come_back(tmp_path: Path) -> None:
    """The file's type wins: half-precision weights in a freshly built network."""
    network, inputs = of("dense")
    network, inputs = network.half(), [tensor.half() for tensor in inputs]
    pruned = half(network, inputs)
    after = pruned.network.to(memory_format=torch.channels_last)
    save(tmp_path, after, describe(network, after))
    loaded = load(tmp_path, seeded(NETWORKS["dense"][0], 8))
    assert {p.dtype for p in loaded.parameters()} == {torch.float16}
    state = loaded.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in after.state_dict().items())


def test_a_network_without_weights_comes_back(tmp_path: Path) -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.ReLU())

    structure = comes_back(
        tmp_path, build, (build(), nn.Sequential(nn.Identity())), [torch.zeros(1, 3)]
    )
    assert structure.layers == {"0": Layer("Identity")}


def test_a_network_without_differences_comes_back(tmp_path: Path) -> None:
    network, inputs = of("norms")
    structure = comes_back(tmp_path, Normed, (network, copy.deepcopy(network)), inputs)
    assert structure.graph is None
    found = structure.tensors, structure.added, structure.layers, structure.attributes
    assert not any(found)


def test_networks_and_the_global_generator_are_left_as_found() -> None:
    network, inputs = of("hard-coded view")
    smaller = decompose(network, inputs, "tucker2", Fraction(0.3)).network.train()
    network.train()
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    structure = describe(network, smaller)
    shaped = restructure(network, structure)
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    assert smaller.training
    assert all(module.training for module in shaped.modules())
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(chains(), st.integers(0, 2**16), st.floats(0.1, 0.9), st.booleans())
def test_random_networks_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    network: Chain,
    seed: int,
    share: float,
    dead: bool,
) -> None:
    inputs = [torch.zeros(1, 3, 16, 16)]

    def chosen(graph: ChannelGraph) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(graph.channels.count, generator=generator) < share

    if dead:
        graph = ChannelGraph(network, inputs)
        zero(graph, network, chosen(graph) & ~graph.channels.pinned)
    try:
        pruned = prune(network, inputs, None if dead else chosen)
    except NoEffectError:
        return

    def build() -> nn.Module:
        return Chain(
            [
                Block(b.kind, b.act, bias=b.one.bias is not None, padding=b.padding)
                for b in network.blocks
            ]
        )

    folder = tmp_path_factory.mktemp("chain")
    comes_back(folder, build, (network, pruned.network), inputs, pruned.kept)


# Other networks


def named(build: Callable[[], nn.Module], name: str) -> Any:
    network = seeded(build, 8)
    network.__class__ = type(name, (type(network),), {})
    return network


def wider() -> nn.Module:
    network = HardView()
    network.middle = nn.Conv2d(16, 16, 5, padding=2)
    return network


def more() -> nn.Module:
    network = HardView()
    network.extra = nn.Linear(2, 2)
    return network


def less() -> nn.Module:
    network = HardView()
    network.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    return network


class OtherNumber(HardView):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(functional.silu(self.middle(self.stem(x))), 2)
        return self.head(functional.relu(self.hidden(x.view(-1, 16 * 4))))


class OtherCall(HardView):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(functional.relu(self.middle(self.stem(x))), 2)
        return self.head(functional.relu(self.hidden(x.flatten(1))))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: Slice(), "^the network is a Slice, the structure is of a HardView$"),  # noqa: PLW0108
        (wider, r"^middle.weight: \[16, 16, 5, 5\] in this HardView, \[16, 16, 3, 3\] in the"),
        (more, "^extra.weight: this HardView has it, the structure's network has not$"),
        (less, "^stem.bias: the structure's network has it, this HardView has not$"),
        (
            lambda: named(OtherNumber, "HardView"),
            "^the network's code is another than that of the structure's network$",
        ),
        (
            lambda: named(OtherCall, "HardView"),
            "^view: the structure's network calls call_method view here, this one has no such call$",
        ),
    ],
)
def test_another_network_is_refused(network: Callable[[], nn.Module], message: str) -> None:
    original, inputs = of("hard-coded view")
    structure = describe(original, half(original, inputs).network)
    with pytest.raises(ModelError, match=message):
        restructure(network(), structure)


# What cannot be described


def changed(name: str, change: Callable[[Any], None]) -> tuple[nn.Module, nn.Module]:
    network, _ = of(name)
    after = copy.deepcopy(network)
    change(after)
    return network, after


def new_activation(network: Any) -> None:
    network.instance = nn.Tanh()


def new_module(network: Any) -> None:
    network.extra = nn.ReLU()


def lost_bias(network: Any) -> None:
    network.middle.bias = None


def new_buffer(network: Any) -> None:
    network.middle.register_buffer("extra", torch.zeros(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (new_activation, "^instance: a structure cannot hold Tanh instead of InstanceNorm2d; save"),
        (new_module, "^extra: a module that only one of the networks has; save the program"),
        (lost_bias, "^middle.bias: only the original has it; save"),
        (new_buffer, "^middle.extra: a buffer that the original has not; save"),
    ],
)
def test_what_cannot_be_described_is_named(change: Callable[[Any], None], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        describe(*changed("norms", change))


def test_networks_of_two_classes_cannot_be_described() -> None:
    with pytest.raises(ModelError, match=r"^the network: a structure cannot hold Slice instead of"):
        describe(HardView(), Slice())


def test_sharing_that_ended_cannot_be_described() -> None:
    network = seeded(Tied, 7)
    after = copy.deepcopy(network)
    after.two.weight = nn.Parameter(after.two.weight.detach().clone())
    with pytest.raises(ModelError, match=r"^one.weight: differs in a way that a structure cannot"):
        describe(network, after)


def test_a_rewritten_part_cannot_be_described() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.fx.symbolic_trace(HardView())

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    network = Outer()
    assert describe(network, copy.deepcopy(network)).layers == {}
    after: Any = copy.deepcopy(network)
    view = next(node for node in after.inner.graph.nodes if node.name == "view")
    view.update_arg(2, 32)
    after.inner.recompile()
    with pytest.raises(ModelError, match=r"^inner: a traced part was rewritten; save the program"):
        describe(network, after)


def edited(change: Callable[[torch.fx.Graph, Any], None]) -> tuple[nn.Module, nn.Module]:
    network, inputs = of("hard-coded view")
    after = half(network, inputs).network
    assert isinstance(after, torch.fx.GraphModule)
    view = next(node for node in after.graph.nodes if node.name == "view")
    change(after.graph, view)
    after.recompile()
    return network, after


def one_more(graph: torch.fx.Graph, view: Any) -> None:
    with graph.inserting_after(view):
        graph.call_method("clone", (view,))


def other_call(graph: torch.fx.Graph, view: Any) -> None:
    view.target = "reshape"


def other_name(graph: torch.fx.Graph, view: Any) -> None:
    view.name = "view_of_mine"


def odd_argument(graph: torch.fx.Graph, view: Any) -> None:
    view.args = (view.args[0], torch.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (one_more, r"^\d+ calls instead of \d+; save the program"),
        (other_call, "^view: calls call_method reshape, not call_method view; save"),
        (other_name, "^the call view_of_mine stands where view was; save"),
        (odd_argument, "^view: a structure cannot hold an argument that is a dtype; save"),
    ],
)
def test_graphs_that_cannot_be_described(change: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        describe(*edited(change))


def test_a_traced_network_of_an_original_that_cannot_be_traced_is_refused() -> None:
    class Loop(HardView):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if x.sum() > 0 else super().forward(-x)

    network, inputs = of("hard-coded view")
    with pytest.raises(ModelError, match=r"^Loop: torch.fx cannot trace it"):
        describe(Loop(), half(network, inputs).network)


def test_kept_indices_of_another_pruning_are_refused() -> None:
    network, inputs = of("dense")
    pruned = half(network, inputs)
    for wrong in ({0: torch.arange(3)}, {0: torch.arange(20, 26)}, {7: torch.arange(6)}):
        kept = {**pruned.kept, "stem.weight": wrong}
        with pytest.raises(
            ModelError, match=r"^stem.weight: the indices that are kept do not make"
        ):
            describe(network, pruned.network, kept)


# Files


def saved(folder: Path, name: str = "hard-coded view") -> Structure:
    network, inputs = of(name)
    pruned = half(network, inputs)
    structure = describe(network, pruned.network, pruned.kept)
    save(folder, pruned.network, structure)
    return structure


def fails(folder: Path, message: str) -> None:
    with pytest.raises(ArtifactError, match=message) as caught:
        load(folder, HardView())
    assert "\n" not in str(caught.value)


def test_a_structure_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / STRUCTURE
    content = path.read_bytes()
    for length in [*range(40), *range(40, len(content) - 2, 97), len(content) - 2]:
        path.write_bytes(content[:length])
        fails(tmp_path, "structure.json: is not valid JSON")
    path.write_bytes(b"\xff\xfe" + content)
    fails(tmp_path, "structure.json: is not valid JSON")
    path.write_bytes(b"[" * 100_000)
    fails(tmp_path, "structure.json: is not valid JSON")


def test_a_structure_of_another_form_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / STRUCTURE
    whole = json.loads(path.read_text())
    for change, message in (
        ({"schema_version": 2}, "schema_version 2, this mobilekit reads 1"),
        ({"schema_version": "1"}, "Expected `int`, got `str` - at `\\$.schema_version`"),
        ({"more": 1}, "unknown field `more`"),
        ({"indices": [[-1]]}, "Expected `int` >= 0"),
        ({"layers": {"stem": {"kind": "Pickle"}}}, "Invalid enum value 'Pickle'"),
        ({"indices": [[0, 1]]}, "was changed after mobilekit wrote it; save the network again"),
    ):
        path.write_text(json.dumps(whole | change))
        fails(tmp_path, message)
    path.write_text("[1, 2]")
    fails(tmp_path, "structure.json: Expected `object`, got `array`")
    path.unlink()
    fails(tmp_path, r"structure.json: cannot be read \(No such file")


def test_broken_weights_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / WEIGHTS
    content = path.read_bytes()
    for length in (0, 7, 100, len(content) - 1):
        path.write_bytes(content[:length])
        fails(tmp_path, "weights.safetensors: is no whole .safetensors file")
    path.unlink()
    fails(tmp_path, "weights.safetensors: is no whole .safetensors file")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "one")
    saved(tmp_path / "two", "slice")
    (tmp_path / "two" / WEIGHTS).replace(tmp_path / "one" / WEIGHTS)
    fails(
        tmp_path / "one", r"stem.weight: \[16, 3, 3, 3\] in the file, \[8, 3, 3, 3\] by structure"
    )


def test_a_state_of_other_things_is_refused(tmp_path: Path) -> None:
    class Extra(nn.Linear):
        def get_extra_state(self) -> int:
            return 1

        def set_extra_state(self, state: Any) -> None:
            pass

    network = Extra(2, 2)
    with pytest.raises(ModelError, match=r"^_extra_state: is no tensor, a weights file cannot"):
        save(tmp_path, network, describe(network, network))


def test_a_structure_at_odds_with_itself_is_refused() -> None:
    network, inputs = of("hard-coded view")
    whole = describe(network, half(network, inputs).network)
    assert whole.graph is not None
    edit = whole.graph.edits[0]
    plain = msgspec.structs.replace(whole, graph=None, tensors={}, attributes={})

    def with_edit(**changes: Any) -> Structure:
        graph = Graph(whole.graph.sha256, (msgspec.structs.replace(edit, **changes),))
        return msgspec.structs.replace(whole, graph=graph)

    def item(kind: Any, *items: Item) -> tuple[Item, ...]:
        return (Item(kind, items=items),)

    later = Item("node", "hidden")
    cases: list[tuple[Structure, str]] = [
        (with_edit(args=(Item("node", "nobody"),)), "^nobody: no call of the network"),
        (with_edit(args=item("slice", Item("value", 1))), "^a slice of 1 numbers"),
        (with_edit(args=(later,)), "^the edits of the graph do not fit: "),
    ]
    for changes, message in (
        ({"tensors": {"none": Cut((1,))}}, "^none: the network has no such parameter or buffer"),
        ({"tensors": {"stem.bias": Cut((1,), {0: 0})}, "indices": ()}, "^stem.bias: its kept ind"),
        ({"tensors": {"stem.bias": Cut((1,), {0: 0})}, "indices": ((0, 1),)}, "do not make"),
        ({"tensors": {"stem.bias": Cut((1,), {0: 0})}, "indices": ((16,),)}, "do not make"),
        ({"tensors": {"stem.bias": Cut((1,), {3: 0})}, "indices": ((1,),)}, "do not make"),
        ({"added": {"stem.bias": (2,)}}, "^stem.bias: the network has no place for a new"),
        ({"added": {"stem.other": (2,)}}, "^stem.other: the network has no place for a new"),
        ({"attributes": {"nowhere": {"width": 1}}}, "^nowhere: the network has no such module"),
        ({"attributes": {"stem": {"forward": 1}}}, "^stem: has no number forward"),
        ({"attributes": {"stem": {"_parameters": 1}}}, "^stem: has no number _parameters"),
        ({"layers": {"stem": Layer("kept")}}, r"^stem: no kept can be made of \[\]"),
        ({"layers": {"stem": Layer("Linear", {"odd": 1})}}, "^stem: no Linear can be made of"),
        ({"layers": {"stem": Layer("Linear", {"in_features": 1})}}, "^stem: no Linear can be made"),
        ({"layers": {"stem": Layer("OpenAttention")}}, "^stem: no multi-head attention"),
        (
            {"layers": {"stem": Layer("Sequential", parts={"act": Layer("kept")})}},
            "^stem: the original has no act inside",
        ),
    ):
        cases.append((msgspec.structs.replace(plain, **changes), message))
    for structure, message in cases:
        with pytest.raises(ArtifactError, match=message) as caught:
            restructure(network, structure)
        assert "\n" not in str(caught.value)


def test_other_calls_are_refused_by_their_name() -> None:
    network, inputs = of("hard-coded view")
    whole = describe(network, half(network, inputs).network)
    assert whole.graph is not None
    edit = Edit("relu", "call_method relu", ())
    odd = msgspec.structs.replace(whole, graph=Graph(whole.graph.sha256, (edit,)))
    with pytest.raises(ModelError, match=r"^relu: the structure's network calls call_method relu"):
        restructure(network, odd)


def test_files_appear_whole_and_replace_former_ones(tmp_path: Path) -> None:
    first = saved(tmp_path)
    (tmp_path / "mine.txt").write_text("stays")
    second = saved(tmp_path, "slice")
    assert read(tmp_path / STRUCTURE) == second != first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", STRUCTURE, WEIGHTS]
    assert second.seal == seal_of(second)


def test_a_plain_state_dict_fits_strictly(tmp_path: Path) -> None:
    """Weights that were trained on need nothing of ours but the shape."""
    from safetensors.torch import load_file

    network, inputs = of("resnet18")
    pruned = half(network, inputs)
    structure = describe(network, pruned.network)
    save(tmp_path, pruned.network, structure)
    shaped = restructure(seeded(MODELS.resnet18, 8), read(tmp_path / STRUCTURE))
    shaped.load_state_dict(load_file(tmp_path / WEIGHTS), strict=True)
    assert type(shaped) is type(network)
    assert shaped.layer1[0].conv1.out_channels == 32
    same_bits(pruned.network, shaped, inputs)
