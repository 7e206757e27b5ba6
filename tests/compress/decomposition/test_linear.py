"""The oracle is NumPy's singular value decomposition and the layer's own output.

Tolerances: in float64 a sum of at most some hundred products rounds to some 1e-14 of the largest; a wrong
factor changes the first digit.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mobilekit.compress.decomposition.linear import truncated_svd
from mobilekit.core.errors import ModelError, RecipeError

ROUNDING = 1e-12


def noisy(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def linear(inputs: int, outputs: int, bias: bool = True, seed: int = 0) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
    layer.weight.data.copy_(noisy(outputs, inputs, seed=seed))
    return layer


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.integers(0, 99), st.data())
def test_the_squared_error_is_the_sum_of_the_dropped_squared_singular_values(
    inputs, outputs, bias, seed, data
):
    layer = linear(inputs, outputs, bias, seed)
    rank = data.draw(st.integers(1, min(inputs, outputs)))
    parts = truncated_svd(layer, rank)
    assert [type(part) for part in parts] == [nn.Linear, nn.Linear]
    assert parts[0].weight.shape == (rank, inputs)
    assert parts[1].weight.shape == (outputs, rank)
    assert parts[0].bias is None
    weight = layer.weight.detach().numpy()
    product = parts[1].weight.detach().numpy() @ parts[0].weight.detach().numpy()
    dropped = (np.linalg.svd(weight, compute_uv=False)[rank:] ** 2).sum()
    assert abs(((product - weight) ** 2).sum() - dropped) <= ROUNDING * (weight**2).sum()


@pytest.mark.parametrize(("inputs", "outputs"), [(7, 5), (5, 7), (6, 6), (1, 4), (4, 1)])
@pytest.mark.parametrize("bias", [False, True])
def test_the_full_rank_is_exact(inputs, outputs, bias):
    layer = linear(inputs, outputs, bias)
    x = noisy(3, 2, inputs)
    difference = truncated_svd(layer, min(inputs, outputs))(x) - layer(x)
    assert difference.abs().max() <= ROUNDING * layer(x).abs().max()


def test_a_matrix_of_that_rank_is_exact():
    layer = linear(9, 8)
    layer.weight.data.copy_(noisy(8, 2) @ noisy(2, 9, seed=1))
    x = noisy(4, 9)
    assert (truncated_svd(layer, 2)(x) - layer(x)).abs().max() <= ROUNDING * layer(x).abs().max()


def test_zero_weights_stay_zero():
    layer = linear(4, 3)
    layer.weight.data.zero_()
    x = noisy(2, 4)
    assert torch.equal(truncated_svd(layer, 3)(x), layer(x))


def test_both_halves_are_of_the_same_size():
    parts = truncated_svd(linear(30, 20), 4)
    first = torch.linalg.vector_norm(parts[0].weight, dim=1)
    second = torch.linalg.vector_norm(parts[1].weight, dim=0)
    assert torch.allclose(first, second, rtol=1e-9)


@pytest.mark.parametrize("rank", [0, -1, 6])
def test_a_rank_out_of_range_is_refused(rank):
    with pytest.raises(RecipeError, match=rf"rank {rank} is out of range; expected 1 to 5"):
        truncated_svd(linear(7, 5), rank)


def test_weights_without_finite_values_are_refused():
    layer = linear(4, 3)
    layer.weight.data[1, 2] = torch.nan
    with pytest.raises(ModelError, match="not finite"):
        truncated_svd(layer, 2)
    with pytest.raises(ModelError, match="no values"):
        truncated_svd(nn.Linear(4, 3, device="meta"), 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_type_mode_and_flags_stay_and_the_layer_and_the_generator_are_left(dtype):
    layer = nn.Linear(6, 5).to(dtype).eval()
    layer.weight.requires_grad_(False)
    weight, bias = layer.weight.clone(), layer.bias.clone()
    state = torch.get_rng_state()
    parts = truncated_svd(layer, 5)
    assert torch.equal(torch.get_rng_state(), state)
    assert {parameter.dtype for parameter in parts.parameters()} == {dtype}
    assert [part.weight.requires_grad for part in parts] == [False, False]
    assert parts[1].bias.requires_grad
    assert not any(module.training for module in parts.modules())
    assert all(module.training for module in truncated_svd(layer.train(), 2).modules())
    parts[1].bias.data.zero_()
    assert torch.equal(layer.weight, weight)
    assert torch.equal(layer.bias, bias)
    assert torch.equal(parts[1].weight.isfinite(), torch.ones(5, 5, dtype=torch.bool))
