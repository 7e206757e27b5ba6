"""The oracles are NumPy's singular value decomposition, the layer's output, and its response to impulses.

Tolerances as in `test_linear.py`.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from mobilekit.compress.decomposition.convolution import channel_svd, spatial_svd
from mobilekit.compress.decomposition.tucker import tucker2
from mobilekit.core.errors import ModelError, RecipeError

ROUNDING = 1e-12
MODES = ("zeros", "reflect", "replicate", "circular")


def noisy(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def lively(layer: nn.Module, seed: int = 0) -> nn.Module:
    layer = layer.double()
    layer.weight.data.copy_(noisy(*layer.weight.shape, seed=seed))
    return layer


def channel_matrices(layer: nn.Module) -> np.ndarray:
    """`[G, M, N·K…]`, with loops."""
    weight = layer.weight.detach().numpy()
    return np.stack([part.reshape(len(part), -1) for part in np.split(weight, layer.groups)])


def spatial_matrices(layer: nn.Module) -> np.ndarray:
    """`[G, N·KH, M·KW]`, with loops."""
    found = []
    for part in np.split(layer.weight.detach().numpy(), layer.groups):
        outputs, inputs, height, width = part.shape
        matrix = np.zeros((inputs * height, outputs * width))
        for m, n, y, x in itertools.product(*map(range, part.shape)):
            matrix[n * height + y, m * width + x] = part[m, n, y, x]
        found.append(matrix)
    return np.stack(found)


FORMS = {"channel": (channel_svd, channel_matrices), "spatial": (spatial_svd, spatial_matrices)}


def full_rank(layer: nn.Module, form: str) -> int:
    return min(FORMS[form][1](layer).shape[1:])


def exact(layer: nn.Module, parts: nn.Module, x: torch.Tensor) -> None:
    expected, found = layer(x), parts(x)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= ROUNDING * expected.abs().max()


def response(module: nn.Module, inputs: int, kernel: tuple[int, int]) -> torch.Tensor:
    """Weight `[M, N, KH, KW]` of what a module without padding computes, from impulses and nothing else."""
    size = [2 * length - 1 for length in kernel]
    impulses = torch.zeros(inputs, inputs, *size, dtype=torch.float64)
    for channel in range(inputs):
        impulses[channel, channel, kernel[0] - 1, kernel[1] - 1] = 1
    with torch.no_grad():
        silence = module(torch.zeros(1, inputs, *size, dtype=torch.float64))
        return (module(impulses) - silence).flip(2, 3).transpose(0, 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "padding": (2, 1), "stride": 2, "bias": False},
        {"kernel_size": (3, 5), "padding": (0, 3), "stride": (1, 2)},
        {"kernel_size": (5, 3), "padding": (4, 1), "dilation": (2, 1)},
        {"kernel_size": 3, "padding": 2, "dilation": 2, "stride": 3},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 4, "padding": "same", "dilation": (1, 2)},
        {"kernel_size": (2, 4), "padding": "same", "bias": False},
        {"kernel_size": 3, "padding": "valid", "stride": 2},
        {"kernel_size": 1},
        {"kernel_size": 1, "padding": 1, "stride": 2},
        {"kernel_size": (1, 3), "padding": 1},
        {"kernel_size": (3, 1), "padding": (1, 0)},
        {"kernel_size": 3, "padding": 1, "groups": 2},
        {"kernel_size": 3, "padding": "same", "groups": 4},
    ],
    ids=str,
)
def test_the_full_rank_is_exact_with_every_option(form, mode, options):
    layer = lively(nn.Conv2d(4, 8, padding_mode=mode, **options))
    parts = FORMS[form][0](layer, full_rank(layer, form))
    assert [type(part) for part in parts] == [nn.Conv2d, nn.Conv2d]
    assert {part.groups for part in parts} == {layer.groups}
    exact(layer, parts, noisy(2, 4, 11, 12, seed=1))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(FORMS)),
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from([1, 2, 3]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(0, 99),
    st.data(),
)
def test_the_squared_error_is_the_sum_of_the_dropped_squared_singular_values(
    form, inputs, outputs, groups, kernel, seed, data
):
    layer = lively(nn.Conv2d(inputs * groups, outputs * groups, kernel, groups=groups), seed)
    decompose, matrices = FORMS[form]
    rank = data.draw(st.integers(1, full_rank(layer, form)))
    parts = decompose(layer, rank)
    exactly = response(layer, inputs * groups, kernel)
    error = (response(parts, inputs * groups, kernel) - exactly).square().sum()
    dropped = (np.linalg.svd(matrices(layer), compute_uv=False)[:, rank:] ** 2).sum()
    assert abs(float(error) - dropped) <= ROUNDING * float(exactly.square().sum())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(MODES),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.one_of(st.just("same"), st.just("valid"), st.tuples(st.integers(0, 3), st.integers(0, 3))),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.booleans(),
)
def test_any_window_at_full_rank_is_exact(form, mode, kernel, padding, stride, dilation, bias):
    assume(padding != "same" or stride == (1, 1))
    window = {"padding": padding, "stride": stride, "dilation": dilation, "padding_mode": mode}
    layer = lively(nn.Conv2d(2, 3, kernel, bias=bias, **window))
    exact(layer, FORMS[form][0](layer, full_rank(layer, form)), noisy(1, 2, 9, 8, seed=1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (3, 5), "padding": (0, 3), "stride": (1, 2), "dilation": 2},
        {"kernel_size": 4, "padding": "same", "bias": False},
        {"kernel_size": 3, "padding": "valid", "stride": 2},
        {"kernel_size": 1, "padding": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("widths", [(4, 6), (6, 4), (1, 40), (40, 1)])
def test_full_tucker_ranks_are_exact(mode, options, widths):
    layer = lively(nn.Conv2d(*widths, padding_mode=mode, **options))
    exact(layer, tucker2(layer, widths), noisy(2, widths[0], 11, 12, seed=1))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(0, 99),
    st.data(),
)
def test_the_tucker_error_is_between_the_larger_and_the_sum_of_both_unfoldings(
    inputs, outputs, kernel, seed, data
):
    layer = lively(nn.Conv2d(inputs, outputs, kernel), seed)
    ranks = data.draw(st.tuples(st.integers(1, inputs), st.integers(1, outputs)))
    parts = tucker2(layer, ranks)
    weight = layer.weight.detach().numpy()
    unfoldings = weight.transpose(1, 0, 2, 3).reshape(inputs, -1), weight.reshape(outputs, -1)
    dropped = [
        float((np.linalg.svd(matrix, compute_uv=False)[rank:] ** 2).sum())
        for matrix, rank in zip(unfoldings, ranks, strict=True)
    ]
    error = float((response(parts, inputs, kernel) - layer.weight.detach()).square().sum())
    slack = ROUNDING * float((weight**2).sum())
    assert max(dropped) - slack <= error <= sum(dropped) + slack


def test_turns_improve_on_the_leading_vectors_alone():
    layer = lively(nn.Conv2d(12, 10, 3))
    weight = layer.weight.detach().numpy()
    inner = np.linalg.svd(weight.transpose(1, 0, 2, 3).reshape(12, -1))[0][:, :4]
    outer = np.linalg.svd(weight.reshape(10, -1))[0][:, :3]
    plain = np.einsum("mnyx,na,qa,mb,pb->pqyx", weight, inner, inner, outer, outer)
    error = (response(tucker2(layer, (4, 3)), 12, (3, 3)) - layer.weight.detach()).square().sum()
    assert float(error) < 0.99 * float(((plain - weight) ** 2).sum())


def test_a_tensor_of_those_tucker_ranks_is_exact():
    layer = lively(nn.Conv2d(9, 8, 3, padding=1))
    product = torch.einsum("mb,bayx,na->mnyx", noisy(8, 2), noisy(2, 3, 3, 3), noisy(9, 3))
    layer.weight.data.copy_(product)
    parts = tucker2(layer, (3, 2))
    assert [tuple(part.weight.shape) for part in parts] == [
        (3, 9, 1, 1),
        (2, 3, 3, 3),
        (8, 2, 1, 1),
    ]
    assert [part.bias is None for part in parts] == [True, True, False]
    exact(layer, parts, noisy(2, 9, 7, 6))


def test_ranks_without_use_are_cut():
    parts = tucker2(lively(nn.Conv2d(3, 64, 3)), (1, 40))
    assert tuple(parts[1].weight.shape) == (9, 1, 3, 3)


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv3d])
def test_other_dimensions_are_exact_too(kind):
    layer = lively(kind(4, 5, 3, stride=2, padding=1, dilation=2))
    x = noisy(2, 4, *[9] * (layer.weight.ndim - 2))
    for parts in (channel_svd(layer, 5), tucker2(layer, (4, 5))):
        assert {type(part) for part in parts} == {kind}
        exact(layer, parts, x)


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (lambda layer: channel_svd(layer, 0), "rank 0 is out of range; expected 1 to 8"),
        (lambda layer: channel_svd(layer, 9), "rank 9 is out of range; expected 1 to 8"),
        (lambda layer: spatial_svd(layer, 13), "rank 13 is out of range; expected 1 to 12"),
        (lambda layer: tucker2(layer, (5, 1)), "rank 5 is out of range; expected 1 to 4"),
        (lambda layer: tucker2(layer, (1, 0)), "rank 0 is out of range; expected 1 to 8"),
        (lambda _: tucker2(nn.Conv2d(4, 8, 3, groups=2), (1, 1)), "takes no groups"),
    ],
)
def test_ranks_out_of_range_are_refused(broken, expected):
    with pytest.raises(RecipeError, match=expected):
        broken(nn.Conv2d(4, 8, 3))


@pytest.mark.parametrize(
    "decompose", [channel_svd, spatial_svd, lambda layer, _: tucker2(layer, (1, 1))]
)
def test_weights_that_are_not_finite_are_refused(decompose):
    layer = nn.Conv2d(4, 8, 3)
    layer.weight.data[1, 2, 0, 0] = torch.inf
    with pytest.raises(ModelError, match="not finite"):
        decompose(layer, 1)


@pytest.mark.parametrize(
    "decompose", [channel_svd, spatial_svd, lambda layer, _: tucker2(layer, (2, 3))]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_type_mode_and_flags_stay_and_the_layer_and_the_generator_are_left(decompose, dtype):
    layer = nn.Conv2d(4, 8, 3).to(dtype).eval()
    layer.bias.requires_grad_(False)
    weight = layer.weight.clone()
    state = torch.get_rng_state()
    parts = decompose(layer, 3)
    assert torch.equal(torch.get_rng_state(), state)
    assert {parameter.dtype for parameter in parts.parameters()} == {dtype}
    assert all(part.weight.requires_grad for part in parts)
    assert not parts[-1].bias.requires_grad
    assert torch.equal(parts[-1].bias, layer.bias)
    assert not any(module.training for module in parts.modules())
    assert torch.equal(layer.weight, weight)
