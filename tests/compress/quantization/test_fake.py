"""Rounding against torch's own fake quantization, and its gradients against autograd's and by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mobilekit.compress.quantization.fake import (
    asymmetric,
    gradient_scaled,
    step_and_zero,
    symmetric,
)


def drawn(*shape: int, seed: int = 0, spread: float = 1.0) -> Tensor:
    made = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return spread * made


@given(seed=st.integers(0, 10_000), bits=st.sampled_from((4, 8)))
def test_weights_are_those_of_fake_quantize_per_channel_affine(seed: int, bits: int) -> None:
    levels = 2 ** (bits - 1) - 1
    values = drawn(6, 5, seed=seed)
    # Powers of two: values / step and values · (1 / step), which torch takes, are then the same number.
    steps = 2.0 ** torch.randint(-8, 1, (6, 1), generator=torch.Generator().manual_seed(seed))
    expected = torch.fake_quantize_per_channel_affine(
        values, steps.flatten(), torch.zeros(6, dtype=torch.int32), 0, -levels, levels
    )
    assert torch.equal(symmetric(values, steps, levels), expected)


@given(seed=st.integers(0, 10_000), exponent=st.integers(-8, 1), zero=st.integers(0, 255))
def test_activations_are_those_of_fake_quantize_per_tensor_affine(
    seed: int, exponent: int, zero: int
) -> None:
    values, step = drawn(40, seed=seed, spread=20.0), 2.0**exponent
    mine, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
    found = asymmetric(mine, torch.tensor(step), torch.tensor(float(zero)), 255)
    expected = torch.fake_quantize_per_tensor_affine(theirs, step, zero, 0, 255)
    assert torch.equal(found, expected)
    for each in (found, expected):
        each.square().sum().backward()
    assert torch.equal(mine.grad, theirs.grad)


def test_gradients_are_equations_3_and_5_of_esser() -> None:
    levels, step = 7, 0.25
    values = drawn(200, spread=1.5).requires_grad_()
    scale = torch.tensor(step, requires_grad=True)
    above = drawn(200, seed=1)
    symmetric(values, scale, levels).backward(above)
    by_hand, passed = 0.0, []
    for value, slope in zip(values.tolist(), above.tolist(), strict=True):
        share = value / step
        inside = -levels < share < levels
        # Equation 3: −v/s + round(v/s) inside, −Q or Q outside; equation 5: 1 inside, 0 outside.
        by_hand += slope * (np.rint(share) - share if inside else math.copysign(levels, share))
        passed.append(slope if inside else 0.0)
    assert 0 < passed.count(0.0) < 200
    # 200 terms, each exact to one rounding of float32 of a number up to 7 · 4
    assert float(scale.grad) == pytest.approx(by_hand, abs=200 * 28 * 2**-24)
    assert torch.equal(values.grad, torch.tensor(passed))


def test_only_the_gradient_is_scaled() -> None:
    values = drawn(5).requires_grad_()
    found = gradient_scaled(values, torch.full((5,), 0.25))
    assert torch.equal(found, values)
    found.backward(torch.ones(5))
    assert values.grad.tolist() == [0.25] * 5


@given(
    low=st.floats(-100, 100, width=32),
    high=st.floats(-100, 100, width=32),
    levels=st.sampled_from((255, 65534)),
)
def test_zero_is_exact_and_errors_stay_below_half_a_step(
    low: float, high: float, levels: int
) -> None:
    low, high = min(low, high), max(low, high)
    step, zero = step_and_zero(torch.tensor(low), torch.tensor(high), levels)
    assert 0 <= float(zero) <= levels
    assert float(zero) == float(zero.round())
    assert float(asymmetric(torch.zeros(1), step, zero, levels)) == 0
    inside = torch.linspace(-float(zero), levels - float(zero), 333) * step
    error = (asymmetric(inside, step, zero, levels) - inside).abs().max()
    # beside half a step, float32's rounding of a quotient of up to `levels` steps
    assert float(error) <= float(step) * (0.5 + levels * 2**-22)


def test_a_range_without_width_leaves_zero_as_it_is() -> None:
    step, zero = step_and_zero(torch.tensor(0.0), torch.tensor(0.0), 255)
    assert (float(step), float(zero)) == (1.0, 0.0)
    step, zero = step_and_zero(torch.tensor(3.0), torch.tensor(3.0), 255)
    assert float(asymmetric(torch.tensor(3.0), step, zero, 255)) == pytest.approx(3.0, rel=1e-6)
