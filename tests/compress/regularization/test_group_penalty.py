"""Group norms, gradients and proximal steps against NumPy and autograd."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mobilekit.compress.regularization.group_penalty import (
    Form,
    GroupPenalty,
    add_gradient,
    group_norms,
    penalty,
    shrink,
)
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.core.errors import ModelError, RecipeError

FORMS: tuple[Form, ...] = ("norm", "weighted", "mean")
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
DIMS = st.sets(st.integers(0, 3))


def drawn(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def grouped(shape: tuple[int, ...], dims: set[int], seed: int) -> Grouped:
    chosen = tuple(sorted(dim for dim in dims if dim < len(shape)))
    return Grouped("weight", drawn(shape, seed).requires_grad_(), chosen)


def members(group: Grouped) -> list[tuple[list[tuple[int, ...]], int]]:
    """Indices of the weights of each group, found one weight at a time, and the size of a group."""
    shape = group.weight.shape
    found: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for index in np.ndindex(*shape):
        key = tuple(place for dim, place in enumerate(index) if dim not in group.dims)
        found.setdefault(key, []).append(index)
    return [(indices, len(indices)) for indices in found.values()]


def factor(form: str, strength: float, size: int) -> float:
    return strength * {"norm": 1, "weighted": math.sqrt(size), "mean": 1 / size}[form]


def by_definition(group: Grouped, config: GroupPenalty) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for indices, size in members(group):
        weights = torch.stack([group.weight[index] for index in indices])
        inside = weights.abs().sum() if config.form == "mean" else weights.square().sum().sqrt()
        total = total + factor(config.form, config.strength, size) * inside
    return total


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=40)
@given(SHAPES, DIMS, st.integers(0, 1000))
def test_term_and_gradient_are_those_of_the_definition(
    form: Form, shape: tuple[int, ...], dims: set[int], seed: int
) -> None:
    group, config = grouped(shape, dims, seed), GroupPenalty(0.3, form)
    expected = by_definition(group, config)
    (slope,) = torch.autograd.grad(expected, group.weight)
    found = add_gradient([group], config)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(group.weight.grad, slope, rtol=1e-10, atol=1e-10)
    value = penalty([group], config)
    torch.testing.assert_close(value.detach(), found, rtol=1e-12, atol=0)
    (same,) = torch.autograd.grad(value, group.weight)
    torch.testing.assert_close(same, slope, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=40)
@given(SHAPES, DIMS, st.floats(0, 3), st.integers(0, 1000))
def test_a_proximal_step_is_the_closed_form_shrinkage(
    form: Form, shape: tuple[int, ...], dims: set[int], step: float, seed: int
) -> None:
    group, config = grouped(shape, dims, seed), GroupPenalty(0.5, form)
    expected = group.weight.detach().numpy().copy()
    for indices, size in members(group):
        bound = step * factor(form, 0.5, size)
        if form == "mean":
            for index in indices:
                expected[index] = np.sign(expected[index]) * max(abs(expected[index]) - bound, 0)
            continue
        norm = np.sqrt(sum(expected[index] ** 2 for index in indices))
        for index in indices:
            expected[index] *= max(0.0, 1 - bound / norm)
    shrink([group], config, step)
    np.testing.assert_allclose(group.weight.detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    assert ((group.weight.detach().numpy() == 0) == (expected == 0)).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_proximal_step_minimises_what_it_says(form: Form) -> None:
    """½ ‖W − V‖² + step · term(W) is no smaller anywhere near."""
    group, config, step = grouped((3, 2, 2), {1, 2}, 1), GroupPenalty(0.5, form), 0.8
    start = group.weight.detach().clone()

    def cost(weight: Tensor) -> float:
        term = penalty([Grouped("w", weight, group.dims)], config)
        return float(0.5 * (weight - start).square().sum() + step * term)

    shrink([group], config, step)
    least = cost(group.weight.detach())
    for seed in range(50):
        for size in (1e-3, 1e-1, 1.0):
            assert cost(group.weight.detach() + size * drawn((3, 2, 2), seed)) >= least


@pytest.mark.parametrize("form", FORMS)
def test_zero_groups_have_a_finite_gradient_of_zero(form: Form) -> None:
    group = grouped((3, 4), {1}, 1)
    with torch.no_grad():
        group.weight[1] = 0
    add_gradient([group], GroupPenalty(0.3, form))
    value = penalty([group], GroupPenalty(0.3, form))
    value.backward(inputs=[other := group.weight])
    assert other.grad.isfinite().all()
    assert not group.weight.grad[1].any()
    assert group.weight.grad[0].all()
    shrink([group], GroupPenalty(0.3, form), 0.0)
    assert group.weight.isfinite().all()


@pytest.mark.parametrize("size", [1e-12, 1e-22, 1e-38, 1e-45])
@pytest.mark.parametrize("dims", [(), (1,), (0, 1)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_small_weights_have_a_finite_gradient(
    size: float, dims: tuple[int, ...], kind: torch.dtype
) -> None:
    weight = torch.full((3, 4), max(size, 6e-8 if kind == torch.float16 else 0), dtype=kind)
    weight.requires_grad_()
    group = Grouped("w", weight, dims)
    add_gradient([group], GroupPenalty(1.0))
    assert weight.grad.isfinite().all()
    assert weight.grad.abs().max() <= 1 + torch.finfo(kind).eps
    shrink([group], GroupPenalty(1.0), 1e-3)
    assert not weight.any()


def test_kernels_vanish_exactly_by_proximal_steps() -> None:
    """The quadratic ½‖W − V‖² has its minimum at the shrunk V: steps of 0.1 end there, with zeros."""
    target = drawn((6, 5, 3, 3), 3)
    weight = torch.zeros_like(target)
    group, config = Grouped("w", weight, (2, 3)), GroupPenalty(3.0)
    for _ in range(300):
        weight -= 0.1 * (weight - target)
        shrink([group], config, 0.1)
    norms = np.sqrt((target.numpy() ** 2).sum((2, 3), keepdims=True))
    expected = target.numpy() * np.maximum(0, 1 - 3.0 / norms)
    np.testing.assert_allclose(weight.numpy(), expected, atol=1e-10)
    assert 0 < int((weight == 0).all(3).all(2).sum()) < 30
    assert ((weight.numpy() == 0) == (expected == 0)).all()


def test_the_average_is_plain_l1_over_the_size_of_a_group() -> None:
    weight = drawn((4, 3, 2, 2), 1)
    absolute = float(weight.abs().sum())
    for dims, size in (((), 1), ((2, 3), 4), ((1, 2, 3), 12), ((0, 1, 2, 3), 48)):
        found = penalty([Grouped("w", weight, dims)], GroupPenalty(1.0, "mean"))
        assert found.item() == pytest.approx(absolute / size)


def test_granularities_differ() -> None:
    weight = drawn((4, 3, 2, 2), 1)
    terms = {
        dims: penalty([Grouped("w", weight, dims)], GroupPenalty(1.0)).item()
        for dims in ((), (2, 3), (1, 2, 3), (0, 2, 3), (0, 1, 2, 3))
    }
    assert len({round(term, 6) for term in terms.values()}) == 5
    assert terms[0, 1, 2, 3] == pytest.approx(float(weight.norm()))


def test_heads_are_groups_of_a_view() -> None:
    weight = drawn((8, 6), 1)
    heads = Grouped("query", weight, (1, 2), (4, 2, 6))
    expected = [np.sqrt((weight.numpy()[2 * h : 2 * h + 2] ** 2).sum()) for h in range(4)]
    np.testing.assert_allclose(group_norms(heads).flatten().numpy(), expected)
    shrink([heads], GroupPenalty(1.0), (expected[1] + min(expected)) / 2)
    alive = weight.view(4, 12).any(1).tolist()
    bound = (expected[1] + min(expected)) / 2
    assert alive == [norm > bound for norm in expected]


def test_several_weights_are_added() -> None:
    one, two = grouped((3, 4), {1}, 1), grouped((2, 2, 2), {0}, 2)
    config = GroupPenalty(0.3)
    both = add_gradient([one, two], config, scale=8.0)
    alone = penalty([one], config) + penalty([two], config)
    torch.testing.assert_close(both, alone.detach())
    (slope,) = torch.autograd.grad(alone, [one.weight])
    torch.testing.assert_close(one.weight.grad, 8 * slope)


def test_a_weight_in_two_groups_has_no_closed_shrinkage() -> None:
    group = grouped((3, 4), {1}, 1)
    with pytest.raises(ModelError, match="weight is in several groups"):
        shrink([group, Grouped("weight", group.weight, (0,))], GroupPenalty(), 0.1)


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_a_strength_must_be_a_finite_number_from_zero_on(strength: float) -> None:
    with pytest.raises(RecipeError, match="strength must be finite and at least 0"):
        GroupPenalty(strength)


def test_bad_use_is_named() -> None:
    with pytest.raises(RecipeError, match="a step must be at least 0, not -1"):
        shrink([grouped((2,), set(), 1)], GroupPenalty(), -1)
    for use in (penalty, add_gradient, lambda groups, config: shrink(groups, config, 1)):
        with pytest.raises(ModelError, match="no groups were given"):
            use([], GroupPenalty())
