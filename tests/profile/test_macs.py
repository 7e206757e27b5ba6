"""One rule per operator, each against the definition written as loops or as PyTorch counts."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilekit.profile.macs import einsum_macs, is_free, macs_of, operator_name


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> object:
        return self.function(*inputs)


def calls(function: Callable[..., object], *inputs: Tensor) -> list[torch.fx.Node]:
    module = function if isinstance(function, nn.Module) else Call(function)
    with torch.no_grad():
        program = torch.export.export(module.eval(), inputs, strict=False)
    return [node for node in program.graph.nodes if node.op == "call_function"]


def macs(function: Callable[..., object], *inputs: Tensor) -> int:
    return sum(macs_of(node) or 0 for node in calls(function, *inputs))


A, B = torch.zeros(2, 3, 4), torch.zeros(2, 4, 5)


@pytest.mark.parametrize(
    ("function", "inputs", "expected"),
    [
        (torch.bmm, (A, B), 2 * 3 * 4 * 5),
        (torch.matmul, (A, B), 2 * 3 * 4 * 5),
        (torch.matmul, (A, B[0]), 2 * 3 * 4 * 5),  # broadcast
        (torch.matmul, (A, B[0, :, 0]), 2 * 3 * 4),
        (torch.matmul, (A[0, 0], B), 2 * 4 * 5),
        (torch.mm, (A[0], B[0]), 3 * 4 * 5),
        (torch.mv, (A[0], B[0, :, 0]), 3 * 4),
        (torch.dot, (A[0, 0], A[0, 1]), 4),
        (torch.addmm, (torch.zeros(5), A[0], B[0]), 3 * 4 * 5),
        (torch.addmv, (torch.zeros(3), A[0], B[0, :, 0]), 3 * 4),
        (torch.baddbmm, (torch.zeros(3, 5), A, B), 2 * 3 * 4 * 5),
        (torch.addbmm, (torch.zeros(3, 5), A, B), 2 * 3 * 4 * 5),
    ],
)
def test_matrix_products(
    function: Callable[..., Tensor], inputs: tuple[Tensor, ...], expected: int
) -> None:
    assert macs(function, *inputs) == expected


def test_attention_is_two_products() -> None:
    query, key, value = torch.zeros(2, 3, 5, 8), torch.zeros(2, 3, 7, 8), torch.zeros(2, 3, 7, 6)
    counted = macs(nn.functional.scaled_dot_product_attention, query, key, value)
    assert counted == 2 * 3 * (5 * 7 * 8 + 5 * 7 * 6)


def test_multi_head_attention_is_four_projections_and_two_products() -> None:
    x = torch.zeros(2, 5, 8)
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    counted = macs(lambda x: layer(x, x, x, need_weights=False)[0], x)
    assert counted == 2 * (5 * 4 * 8 * 8 + 2 * 5 * 5 * 8)


# PyTorch's LSTM itself sets attributes while it is exported.
@pytest.mark.filterwarnings("ignore:The tensor attributes self._flat_weights")
@pytest.mark.parametrize(("layer", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("batch_first", [False, True])
def test_recurrent_layers(layer: type[nn.RNNBase], gates: int, batch_first: bool) -> None:
    network = layer(4, 5, num_layers=2, bidirectional=True, batch_first=batch_first)
    first, second = 4 * 5 + 5 * 5, 10 * 5 + 5 * 5  # input and state, per gate and direction
    assert macs(network, torch.zeros(3, 7, 4)) == 3 * 7 * 2 * gates * (first + second)


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3)])
def test_recurrent_cells(cell: type[nn.Module], gates: int) -> None:
    assert macs(cell(4, 5), torch.zeros(3, 4)) == 3 * gates * (4 * 5 + 5 * 5)


@settings(deadline=None, max_examples=25)
@given(
    groups=st.integers(1, 3),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    transposed=st.booleans(),
)
def test_convolutions_count_each_product_once(
    groups: int,
    channels: int,
    filters: int,
    kernel: tuple[int, int],
    stride: int,
    transposed: bool,
) -> None:
    layer = nn.ConvTranspose2d if transposed else nn.Conv2d
    network = layer(groups * channels, groups * filters, kernel, stride, groups=groups, bias=False)
    image = torch.ones(2, groups * channels, 6, 5)
    # With weights and pixels of 1 and no padding, the output adds 1 for each product.
    nn.init.ones_(network.weight)
    with torch.no_grad():
        products = int(network(image).sum())
    assert macs(network, image) == products


def test_einsum_in_a_graph_counts_as_the_products_it_stands_for() -> None:
    assert macs(lambda a, b: torch.einsum("bij,bjk->bik", a, b), A, B) == 2 * 3 * 4 * 5
    assert macs(lambda a: torch.einsum("bij->bi", a), A) == 0


@pytest.mark.parametrize(
    ("equation", "shapes", "expected"),
    [
        ("ij,jk", [(2, 3), (3, 4)], 24),  # implied output
        ("...ij,...jk->...ik", [(5, 2, 3), (5, 3, 4)], 120),
        ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)], 2 * 3 * 4 * 6 * 5),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)], 2 * 3 * 4 + 2 * 4 * 5),
        ("i,j->ij", [(3,), (4,)], 12),
        ("ij,ij->", [(3, 4), (3, 4)], 12),
        ("ij,k->ij", [(2, 3), (7,)], 6),  # k is summed before anything is multiplied
    ],
)
def test_einsum(equation: str, shapes: list[tuple[int, ...]], expected: int) -> None:
    assert einsum_macs(equation, shapes) == expected


def test_einsum_follows_the_path() -> None:
    shapes = [(2, 30), (30, 4), (4, 5)]
    last_two_first = einsum_macs("ij,jk,kl->il", shapes, [1, 2, 0, 1])
    assert last_two_first == 30 * 4 * 5 + 2 * 30 * 5
    first_two_first = einsum_macs("ij,jk,kl->il", shapes, [0, 1, 0, 1])
    assert first_two_first == 2 * 30 * 4 + 2 * 4 * 5


def test_views_and_elementwise_operators_are_free() -> None:
    def function(x: Tensor) -> Tensor:
        y = nn.functional.hardswish(x).transpose(1, 2).reshape(2, -1)
        y = torch.cat([y, nn.functional.gelu(y)], 1).roll(1, 1) * 2 - 1
        return nn.functional.pad(y, (1, 1)).chunk(2, 1)[0].amax(1)

    nodes = calls(function, A)
    assert [operator_name(node) for node in nodes if not is_free(node)] == []


def test_arithmetic_without_a_rule_is_not_free() -> None:
    def function(x: Tensor) -> tuple[Tensor, ...]:
        grown = nn.functional.interpolate(x[None], scale_factor=2.0, mode="bilinear")
        return grown, x.softmax(1), nn.functional.layer_norm(x, (4,)), torch.cdist(x, x)

    names = [operator_name(node) for node in calls(function, A) if not is_free(node)]
    assert names == ["upsample_bilinear2d", "softmax", "layer_norm", "cdist"]
