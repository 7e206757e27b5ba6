"""The term and its gradient against NumPy and autograd."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilekit.compress.regularization.kernel_sparsity import (
    Form,
    KernelSparsity,
    Normalization,
    Scope,
    add_gradient,
    penalty,
    values,
)
from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.core.errors import ModelError, RecipeError

FORMS: tuple[Form, ...] = ("ratio", "l1", "l2")
SCOPES: tuple[Scope, ...] = ("global", "layer")
NORMALIZATIONS: tuple[Normalization, ...] = ("none", "vector", "numerator")
EVERY = [
    KernelSparsity(0.7, *options)
    for options in itertools.product(FORMS, SCOPES, NORMALIZATIONS, (False, True))
]
LAYERS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4
)


def made(shapes: list[tuple[int, int, int]], seed: int) -> list[Grouped]:
    generator = torch.Generator().manual_seed(seed)
    return [
        Grouped(
            f"{place}.weight",
            torch.randn(
                (filters, inputs, size, size), generator=generator, dtype=torch.float64
            ).requires_grad_(),
            (1, 2, 3),
        )
        for place, (filters, inputs, size) in enumerate(shapes)
    ]


def by_definition(weights: list[Tensor], term: KernelSparsity) -> Tensor:
    """Equations 3.2 to 3.6, filter by filter, for autograd to go through."""
    layers = []
    for weight in weights:
        divisor = len(weight) if term.literal else weight[0].numel()
        layers.append([kernel.abs().sum() / divisor for kernel in weight])
    vectors = [list(itertools.chain(*layers))] if term.scope == "global" else layers
    total = torch.zeros((), dtype=torch.float64)
    for vector in vectors:
        n = torch.stack(vector)
        count = len(vector)
        if term.normalization == "vector":
            n = n / count
        upper, lower = n.abs().sum(), n.square().sum().sqrt()
        if term.form == "ratio":
            value = upper / lower / (count if term.normalization == "numerator" else 1)
        else:
            value = upper if term.form == "l1" else lower
            value = value / count if term.normalization == "numerator" else value
        total = total + term.strength * value
    return total


@pytest.mark.parametrize("term", EVERY, ids=str)
@settings(deadline=None, max_examples=15)
@given(LAYERS, st.integers(0, 1000))
def test_term_and_gradient_are_those_of_the_definition(
    term: KernelSparsity, shapes: list[tuple[int, int, int]], seed: int
) -> None:
    layers = made(shapes, seed)
    weights = [layer.weight for layer in layers]
    expected = by_definition(weights, term)
    slopes = torch.autograd.grad(expected, weights)
    found = add_gradient(layers, term)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-10, atol=1e-10)
    for weight, slope in zip(weights, slopes, strict=True):
        torch.testing.assert_close(weight.grad, slope, rtol=1e-10, atol=1e-10)
    value = penalty(layers, term)
    torch.testing.assert_close(value.detach(), found, rtol=1e-12, atol=0)
    for slope, same in zip(slopes, torch.autograd.grad(value, weights), strict=True):
        torch.testing.assert_close(same, slope, rtol=1e-10, atol=1e-10)


@settings(deadline=None)
@given(LAYERS, st.integers(0, 1000), st.booleans())
def test_values_are_means_of_absolute_weights(
    shapes: list[tuple[int, int, int]], seed: int, literal: bool
) -> None:
    layers = made(shapes, seed)
    found = values(layers, literal=literal)
    for layer in layers:
        weights = layer.weight.detach().numpy()
        sums = np.abs(weights).reshape(len(weights), -1).sum(1)
        expected = sums / (len(weights) if literal else weights[0].size)
        np.testing.assert_allclose(found[layer.name].numpy(), expected, rtol=1e-12)
        assert not found[layer.name].requires_grad


@pytest.mark.parametrize("term", EVERY, ids=str)
def test_zero_filters_and_layers_have_a_finite_gradient_of_zero(term: KernelSparsity) -> None:
    layers = made([(3, 2, 3), (2, 2, 2), (4, 1, 1)], 1)
    with torch.no_grad():
        layers[0].weight[1] = 0
        layers[1].weight.zero_()
    found = add_gradient(layers, term)
    value = penalty(layers, term)
    slopes = torch.autograd.grad(value, [layer.weight for layer in layers])
    assert found.isfinite()
    torch.testing.assert_close(value.detach(), found)
    for layer, slope in zip(layers, slopes, strict=True):
        gradient = layer.weight.grad
        assert gradient.isfinite().all()
        assert not gradient[layer.weight == 0].any()
        torch.testing.assert_close(slope, gradient)
    assert layers[0].weight.grad[0].any()


@pytest.mark.parametrize("term", EVERY, ids=str)
def test_a_network_of_zeros_has_no_term(term: KernelSparsity) -> None:
    layers = made([(3, 2, 3), (2, 2, 2)], 1)
    with torch.no_grad():
        for layer in layers:
            layer.weight.zero_()
    assert add_gradient(layers, term).item() == 0
    assert penalty(layers, term).item() == 0
    assert not any(layer.weight.grad.any() for layer in layers)


@pytest.mark.parametrize("size", [1e-12, 1e-24, 1e-30, 1e-36, 1e-44])
@pytest.mark.parametrize("term", EVERY, ids=str)
def test_small_weights_in_float32_have_a_finite_gradient(term: KernelSparsity, size: float) -> None:
    weight = (size * made([(5, 2, 3)], 1)[0].weight.detach()).float().requires_grad_()
    layers = [Grouped("weight", weight, (1, 2, 3))]
    assert add_gradient(layers, term).isfinite()
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize("scope", SCOPES)
def test_a_ratio_of_norms_does_not_feel_a_common_factor(scope: Scope) -> None:
    layers = made([(3, 2, 3), (5, 1, 2)], 4)
    one, other = (KernelSparsity(0.5, "ratio", scope, how) for how in ("none", "vector"))
    before = add_gradient(layers, one)
    assert before.item() == add_gradient(layers, other).item()
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(1e-3)
    torch.testing.assert_close(add_gradient(layers, one), before, rtol=1e-12, atol=0)


def test_the_ratio_lies_between_one_living_filter_and_all_equal() -> None:
    layers = made([(4, 2, 3)], 1)
    with torch.no_grad():
        layers[0].weight.fill_(0.3)
    term = KernelSparsity(1.0)
    assert add_gradient(layers, term).item() == pytest.approx(2.0)  # √4
    with torch.no_grad():
        layers[0].weight[1:] = 0
    assert add_gradient(layers, term).item() == pytest.approx(1.0)


def test_a_step_down_the_ratio_parts_large_filters_from_small() -> None:
    layers = made([(4, 2, 3)], 2)
    weight = layers[0].weight
    with torch.no_grad():
        weight.mul_(torch.tensor([0.1, 0.2, 2.0, 3.0]).view(4, 1, 1, 1))
    before = values(layers)["0.weight"]
    add_gradient(layers, KernelSparsity(1.0))
    with torch.no_grad():
        weight -= 0.01 * weight.grad
    level = before.square().sum() / before.sum()
    assert (values(layers)["0.weight"] > before).tolist() == (before > level).tolist()
    assert (before > level).tolist() == [False, False, False, True]


def test_the_gradient_is_added_to_what_is_there() -> None:
    layers = made([(3, 2, 3), (2, 3, 1)], 5)
    add_gradient(layers, KernelSparsity())
    once = [layer.weight.grad.clone() for layer in layers]
    add_gradient(layers, KernelSparsity(), scale=3.0)
    for layer, first in zip(layers, once, strict=True):
        torch.testing.assert_close(layer.weight.grad, 4 * first, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("scope", SCOPES)
def test_filters_of_grouped_transposed_convolutions_are_followed(scope: Scope) -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.ConvTranspose2d(6, 4, 2, groups=2), nn.Conv1d(3, 2, 1)
    ).double()
    layers = groups_of(network, "filter")
    term = KernelSparsity(0.7, scope=scope)
    add_gradient(layers, term)
    weights = [layer.weight for layer in layers]
    transposed = weights[1].view(2, 3, 2, 2, 2).transpose(1, 2).reshape(4, 3, 2, 2)
    expected = by_definition([weights[0], transposed, weights[2]], term)
    for weight, slope in zip(weights, torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(weight.grad, slope, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(kind: torch.dtype) -> None:
    weight = made([(6, 64, 7)], 1)[0].weight.detach().to(kind).requires_grad_()
    wide = weight.detach().float().requires_grad_()
    add_gradient([Grouped("w", weight, (1, 2, 3))], KernelSparsity())
    add_gradient([Grouped("w", wide, (1, 2, 3))], KernelSparsity())
    assert weight.grad.dtype == kind
    # smaller than half's normal numbers: one rounding of the smallest step
    torch.testing.assert_close(
        weight.grad.float(),
        wide.grad,
        rtol=torch.finfo(kind).eps,
        atol=torch.finfo(kind).smallest_normal * torch.finfo(kind).eps,
    )


def test_channels_last_is_kept() -> None:
    plain, last = (nn.Conv2d(4, 5, 3) for _ in range(2))
    last.load_state_dict(plain.state_dict())
    last.to(memory_format=torch.channels_last)
    for layer in (plain, last):
        add_gradient(groups_of(layer, "filter"), KernelSparsity())
    # Sums over 36 weights in another order: float32 rounds each to 1.2e-7 of the greatest.
    largest = float(plain.weight.grad.abs().max())
    torch.testing.assert_close(last.weight.grad, plain.weight.grad, rtol=0, atol=1e-5 * largest)
    assert last.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_a_strength_must_be_a_finite_number_from_zero_on(strength: float) -> None:
    with pytest.raises(RecipeError, match="strength must be finite and at least 0"):
        KernelSparsity(strength)


def test_no_layers_are_an_error() -> None:
    with pytest.raises(ModelError, match="no layers were given"):
        add_gradient([], KernelSparsity())
    with pytest.raises(ModelError, match="no layers were given"):
        penalty([], KernelSparsity())
