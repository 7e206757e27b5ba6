"""Which weights vanish together: every group against slices of arrays, enumerated by loops."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrize

from mobilekit.compress.sparsity.granularity import (
    GRANULARITIES,
    granularity,
    groups_of,
    of_layer,
)
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.masks import kept_weights, zero
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError

ALL = slice(None)
SLICES: dict[str, Callable[..., tuple[object, ...]]] = {
    "weight": lambda *at: at,
    "column": lambda *at: (at[0], at[1], ALL, at[3]),
    "row": lambda *at: (at[0], at[1], at[2], ALL),
    "shared_weight": lambda *at: (ALL, at[1], at[2], at[3]),
    "channel": lambda *at: (at[0], ALL, at[2], at[3]),
    "kernel": lambda *at: (at[0], at[1], ALL, ALL),
    "shared_channel": lambda *at: (ALL, ALL, at[2], at[3]),
    "shared_column": lambda *at: (ALL, at[1], ALL, at[3]),
    "shared_row": lambda *at: (ALL, at[1], at[2], ALL),
    "vertical_slice": lambda *at: (at[0], ALL, at[2], ALL),
    "horizontal_slice": lambda *at: (at[0], ALL, ALL, at[3]),
    "shared_vertical_slice": lambda *at: (ALL, ALL, at[2], ALL),
    "shared_horizontal_slice": lambda *at: (ALL, ALL, ALL, at[3]),
    "shared_kernel": lambda *at: (ALL, at[1], ALL, ALL),
    "filter": lambda *at: (at[0], ALL, ALL, ALL),
    "layer": lambda *_: (ALL, ALL, ALL, ALL),
}
"""Pseudo-code 4.2 of the thesis, for weights [out, in, height, width]."""
Partition = set[frozenset[int]]


def sliced(weights: np.ndarray, name: str) -> Iterator[frozenset[int]]:
    """Enumerate the groups of a block of weights, as the numbers that are in them."""
    for at in itertools.product(*map(range, weights.shape)):
        yield frozenset(np.ravel(weights[SLICES[name](*at)]).tolist())


def expected(layer: nn.Module, name: str) -> Partition:
    """Enumerate the groups of a convolution, each group of channels by itself (`layer` spans them all)."""
    shape = tuple(layer.weight.shape)
    numbers = np.arange(np.prod(shape)).reshape(shape)
    if name == "layer":
        return {frozenset(range(numbers.size))}
    blocks = np.split(numbers, layer.groups)
    blocks = [np.swapaxes(each, 0, 1) for each in blocks] if layer.transposed else blocks
    return {group for block in blocks for each in flat(block, name) for group in sliced(each, name)}


def flat(block: np.ndarray, name: str) -> list[np.ndarray]:
    """Return blocks of four dimensions; depth varies, unless groups span the whole kernel."""
    if block.ndim == 3:
        return [block[:, :, None]]
    if block.ndim == 4:
        return [block]
    if name in {"kernel", "shared_kernel", "filter"}:
        return [block.reshape(*block.shape[:2], -1, block.shape[-1])]
    return [block[:, :, depth] for depth in range(block.shape[2])]


def partition(groups: Grouped) -> Partition:
    """Zero one group after another, and see which weights vanish."""
    groups.weight.data = torch.arange(1.0, groups.weight.numel() + 1).view(groups.weight.shape)
    found = []
    for k in range(groups.count):
        copy = groups.weight.detach().clone()
        zero(groups, torch.arange(groups.count) == k, copy)
        found.append(frozenset(copy.flatten().eq(0).nonzero().squeeze(1).tolist()))
    assert all(len(each) == groups.size for each in found)
    return set(found)


CONVOLUTIONS = {
    "plain": lambda: nn.Conv2d(3, 4, (3, 2)),
    "grouped": lambda: nn.Conv2d(4, 6, (2, 3), groups=2),
    "depthwise": lambda: nn.Conv2d(3, 3, (3, 2), groups=3),
    "multiplied": lambda: nn.Conv2d(2, 6, 2, groups=2),
    "transposed": lambda: nn.ConvTranspose2d(3, 4, (3, 2)),
    "transposed_grouped": lambda: nn.ConvTranspose2d(4, 6, (2, 3), groups=2),
    "transposed_depthwise": lambda: nn.ConvTranspose2d(3, 3, 2, groups=3),
    "three": lambda: nn.Conv3d(2, 3, (2, 3, 2)),
    "three_transposed_grouped": lambda: nn.ConvTranspose3d(4, 2, (2, 1, 3), groups=2),
}


@pytest.mark.parametrize("name", SLICES)
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_groups_are_the_slices_of_the_thesis(kind: str, name: str) -> None:
    layer = CONVOLUTIONS[kind]()
    (groups,) = of_layer(name, layer)
    assert partition(groups) == expected(layer, name)
    assert groups.count * groups.size == layer.weight.numel()


ONE = [
    name for name in SLICES if not {"row", "column", "vertical", "horizontal"} & {*name.split("_")}
]


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv1d(4, 6, 3),
        lambda: nn.Conv1d(4, 6, 3, groups=2),
        lambda: nn.ConvTranspose1d(4, 6, 3, groups=2),
    ],
)
def test_convolutions_of_sequences_have_what_does_not_tell_height_from_width(
    make: Callable[[], nn.Module], name: str
) -> None:
    layer = make()
    (groups,) = of_layer(name, layer)
    assert partition(groups) == expected(layer, name)


@pytest.mark.parametrize("name", sorted(set(SLICES) - set(ONE)))
def test_convolutions_of_sequences_refuse_the_rest_by_name(name: str) -> None:
    network = nn.ModuleDict({"ear": nn.Conv1d(4, 6, 3)})
    with pytest.raises(ModelError, match=f"ear: '{name}' tells height from width"):
        groups_of(network, name)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(sorted(SLICES)),
    st.booleans(),
    st.integers(1, 3),
    st.tuples(*[st.integers(1, 3)] * 4),
)
def test_groups_part_the_weights_whatever_the_shape(
    name: str, transposed: bool, groups: int, sizes: tuple[int, int, int, int]
) -> None:
    inputs, outputs, *kernel = sizes
    make = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = make(inputs * groups, outputs * groups, tuple(kernel), groups=groups)
    layer.to(memory_format=torch.channels_last)
    assert partition(of_layer(name, layer)[0]) == expected(layer, name)


def test_groups_of_linear_layers() -> None:
    numbers = np.arange(12).reshape(3, 4)
    parts = {
        "weight": {frozenset([k]) for k in range(12)},
        "row": {frozenset(row.tolist()) for row in numbers},
        "column": {frozenset(column.tolist()) for column in numbers.T},
        "layer": {frozenset(range(12))},
    }
    for name, part in parts.items():
        assert partition(of_layer(name, nn.Linear(4, 3))[0]) == part
    with pytest.raises(
        ModelError, match=r"fc: a Linear has no granularity 'kernel'; it has weight"
    ):
        of_layer("kernel", nn.Linear(4, 3), "fc")


def test_filter_k_makes_output_channel_k_of_transposed_groups() -> None:
    layer = nn.ConvTranspose2d(4, 6, 2, groups=2, bias=False)
    (filters,) = of_layer("filter", layer)
    zero(filters, torch.arange(6) == 4)
    made = layer(torch.ones(1, 4, 2, 2)).abs().sum((0, 2, 3))
    assert (made == 0).tolist() == [False, False, False, False, True, False]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_heads_of_attention(place: int) -> None:
    name = ("query", "key", "value")[place]
    numbers = np.arange(3 * 6 * 6).reshape(3, 3, 2, 6)  # query key value, 3 heads of 2
    (part,) = of_layer(name, nn.MultiheadAttention(6, 3))
    assert partition(part) == {frozenset(head.ravel().tolist()) for head in numbers[place]}
    (whole,) = of_layer("head", nn.MultiheadAttention(6, 3))
    assert partition(whole) == {frozenset(numbers[:, k].ravel().tolist()) for k in range(3)}


def test_attention_whose_keys_have_another_width() -> None:
    layer = nn.MultiheadAttention(6, 3, kdim=5, vdim=4)
    for name, width in {"query": 6, "key": 5, "value": 4}.items():
        (heads,) = of_layer(name, layer, "read")
        assert heads.name == f"read.{name[0]}_proj_weight"
        rows = np.arange(6 * width).reshape(3, 2 * width)
        assert partition(heads) == {frozenset(row.tolist()) for row in rows}
    with pytest.raises(
        ModelError, match=r"read: its queries, keys and values lie in three weights"
    ):
        of_layer("head", layer, "read")
    with pytest.raises(
        ModelError, match=r"MultiheadAttention has no granularity 'filter'; it has weight, head"
    ):
        of_layer("filter", layer)


def test_a_head_that_is_gone_attends_evenly_to_nothing() -> None:
    layer = nn.MultiheadAttention(6, 3, bias=False, batch_first=True)
    (heads,) = of_layer("head", layer)
    zero(heads, torch.tensor([False, True, False]))
    tokens = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    before = layer(tokens, tokens, tokens)[0]
    with torch.no_grad():
        layer.out_proj.weight[:, 2:4] = 7.0  # reads the second head
    assert torch.equal(layer(tokens, tokens, tokens)[0], before)


BLOCKS = {
    "linear": (lambda m: nn.Linear(3 * m, 4), 1),
    "plain": (lambda m: nn.Conv2d(2 * m, 3, 2), 1),
    "grouped": (lambda m: nn.Conv2d(4 * m, 4, 2, groups=2), 1),
    "sequence": (lambda m: nn.Conv1d(2 * m, 3, 2), 1),
    "transposed": (lambda m: nn.ConvTranspose2d(2 * m, 3, 2), 0),
    "transposed_grouped": (lambda m: nn.ConvTranspose2d(4 * m, 4, 2, groups=2), 0),
}


@pytest.mark.parametrize("block", ["2:4", "1:4", "1:2", "3:5", "7:8"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks_are_successive_inputs(kind: str, block: str) -> None:
    make, dimension = BLOCKS[kind]
    size = int(block[2:])
    layer = make(size)
    (groups,) = of_layer(block, layer)
    numbers = torch.arange(layer.weight.numel()).view(layer.weight.shape)
    assert groups.size == 1
    assert groups.within is not None
    rows = groups.view(numbers).movedim(groups.within, -1).reshape(-1, size)
    wanted = numbers.movedim(dimension, -1).reshape(-1, size)  # blocks do not cross a group's end
    assert {tuple(row) for row in rows.tolist()} == {tuple(row) for row in wanted.tolist()}


def test_inputs_that_make_no_whole_blocks_are_an_error_and_not_skipped() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))
    with pytest.raises(
        ModelError, match=r"0: 2:4 needs inputs in blocks of 4, but it has 3; leave"
    ):
        groups_of(network, "2:4")
    assert [each.layer for each in groups_of(network, "2:4", without=["0"])] == ["1"]
    with pytest.raises(ModelError, match="it has 1"):
        of_layer("1:2", nn.Conv2d(4, 4, 3, groups=4))


@pytest.mark.parametrize("name", ["4:4", "0:4", "5:4"])
def test_blocks_that_keep_all_or_nothing_are_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="of m successive weights n stay"):
        granularity(name)


def test_names() -> None:
    assert {*SLICES, "head", "query", "key", "value"} == {*GRANULARITIES}
    with pytest.raises(RecipeError, match=r"unknown granularity 'kernl'.*Did you mean kernel"):
        granularity("kernl")
    assert granularity("3:8").most == 0.625
    assert granularity("filter").most == 1


def test_layers_that_are_named_must_have_the_granularity() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    assert [each.layer for each in groups_of(network, "weight")] == ["0", "2"]
    assert [each.layer for each in groups_of(network, "kernel")] == ["0"]
    with pytest.raises(ModelError, match="2: a Linear has no granularity 'kernel'"):
        groups_of(network, "kernel", ["2"])
    with pytest.raises(NoEffectError, match="head: no layer"):
        groups_of(network, "head")


def test_the_projection_behind_attention_is_no_layer_of_its_own() -> None:
    network = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert [each.layer for each in groups_of(network, "row")] == ["linear1", "linear2"]
    assert [each.name for each in groups_of(network, "value")] == ["self_attn.in_proj_weight"]


def test_weights_and_blocks_of_attention_are_those_of_all_its_projections() -> None:
    """Counted against every parameter of two dimensions that PyTorch says the network has."""
    one, apart = nn.MultiheadAttention(8, 2), nn.MultiheadAttention(8, 2, kdim=4, vdim=12)
    for layer in (one, apart):
        matrices = {name: each for name, each in layer.named_parameters() if each.ndim == 2}
        assert {each.name: each.weight for each in of_layer("weight", layer)} == matrices
        for group in of_layer("2:4", layer):
            numbers = torch.arange(group.weight.numel()).view(group.weight.shape)
            rows = group.view(numbers).movedim(group.within, -1).reshape(-1, 4)
            assert torch.equal(rows, numbers.reshape(-1, 4))  # successive inputs
    network = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    wanted = {name for name, each in network.named_parameters() if each.ndim == 2}
    assert {each.name for each in groups_of(network, "weight")} == wanted
    assert "self_attn.out_proj.weight" in wanted
    assert {each.layer for each in groups_of(network, "weight", ["self_attn"])} == {"self_attn"}


def test_parametrized_attention() -> None:
    layer = nn.MultiheadAttention(4, 2)
    parametrize.register_parametrization(layer, "in_proj_weight", nn.Tanh())
    (heads,) = of_layer("head", layer)
    assert heads.name == "parametrizations.in_proj_weight.original"
    assert heads.weight is layer.parametrizations.in_proj_weight.original


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(SLICES)), st.sampled_from(sorted(CONVOLUTIONS)), st.integers(0, 99))
def test_a_mean_is_that_of_the_weights_which_its_mask_zeroes(
    name: str, kind: str, seed: int
) -> None:
    (groups,) = of_layer(name, CONVOLUTIONS[kind]())
    rng = np.random.default_rng(seed)
    values = torch.from_numpy(rng.normal(size=tuple(groups.weight.shape)))
    means = groups.mean(groups.view(values))
    chosen = int(rng.integers(groups.count))
    dead = torch.arange(groups.count) == chosen
    gone = groups.view(values)[~kept_weights(groups, dead)].numpy()
    assert means.shape == (groups.count,)
    np.testing.assert_allclose(means[chosen], gone.mean(), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(
        np.sort(groups.rows(groups.view(values))[chosen].numpy()), np.sort(gone)
    )
