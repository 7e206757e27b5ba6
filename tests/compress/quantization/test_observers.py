"""Ranges of activations: how they move, what they span, and the gradient of a learned step."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mobilekit.compress.quantization.observers import Dynamic, Learned, Observed, Span
from mobilekit.core.errors import TrainingError

LIKE = torch.zeros(())


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_first_batch_counts_wholly_and_others_by_a_hundredth() -> None:
    span = Span(LIKE)
    assert not span.seen
    span.see(torch.tensor([-1.0, 2.0]))
    assert (float(span.low), float(span.high)) == (-1.0, 2.0)
    span.see(torch.tensor([-11.0, 1.0]))
    assert (float(span.low), float(span.high)) == pytest.approx((-1.1, 1.99))


@pytest.mark.parametrize("bits", [8, 16])
def test_errors_inside_the_range_are_half_a_step_at_most(bits: int) -> None:
    values, ranges = drawn(4, 500), Observed(LIKE, bits)
    found = ranges(values)
    spanned = ranges.range("x")
    assert spanned is not None
    if bits == 16:
        assert spanned.low == -spanned.high
        assert spanned.high == pytest.approx(float(values.abs().max()), rel=1e-5)
    step = (spanned.high - spanned.low) / (255 if bits == 8 else 65534)
    # both ends may lie half a step outside, when 0 is made exact; the rest is float32's rounding
    assert float((found - values).abs().max()) <= step * (1.0 if bits == 8 else 0.51)
    integers = found.double().numpy() / step
    assert np.abs(integers - np.rint(integers)).max() < 2**-6


def test_signal_to_error_of_uniform_noise_at_8_bits() -> None:
    values = torch.rand(1, 200_000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = Observed(LIKE)(values)
    energies = values.square().sum() / (found - values).square().sum()
    # 10 · lg(1/3 / (step² / 12)) with a step of 2/255
    assert 10 * math.log10(float(energies)) == pytest.approx(48.1, abs=0.1)


def test_without_a_batch_values_pass() -> None:
    values = drawn(2, 3)
    for ranges in (Observed(LIKE), Learned(LIKE)):
        assert torch.equal(ranges(values, seeing=False), values)
        assert ranges.range("x") is None
        assert torch.equal(ranges(values, active=False), values)


def test_a_learned_step_begins_at_the_range_seen_when_it_becomes_active() -> None:
    ranges, values = Learned(LIKE), drawn(4, 50).relu()
    ranges(values, active=False)
    ranges(3 * values, active=False)
    found = ranges(values)
    spanned = ranges.range("x")
    assert spanned is not None
    high = float(values.max())
    assert (spanned.low, spanned.high) == (0.0, pytest.approx(1.0198 * high, rel=1e-5))
    ranges(100 * values)
    assert ranges.range("x") == spanned
    assert torch.equal(ranges(values), found)


def test_the_gradient_of_a_learned_step_is_equation_3_of_esser() -> None:
    ranges, values = Learned(LIKE), drawn(4, 60).relu()
    ranges(values)
    with torch.no_grad():
        ranges.relative.mul_(0.6)
    step = float(ranges.relative.detach() * ranges.first)
    above = drawn(4, 60, seed=1)
    read = values.clone().requires_grad_()
    ranges(read, seeing=False).backward(above)
    share = values.double().numpy() / step
    inside = np.rint(share) <= 255
    slopes = np.where(inside, np.rint(share) - share, 255)
    gradient = (above.double().numpy() * slopes).sum() / math.sqrt(60 * 255)
    # r's gradient: over s₀, so that a step of gradient descent changes s by the paper's gradient
    assert float(ranges.relative.grad * ranges.first) == pytest.approx(gradient, rel=1e-3)
    assert np.array_equal(read.grad.numpy() != 0, inside)
    assert 0 < int((~inside).sum()) < 240


def test_dynamic_ranges_are_by_example() -> None:
    values = drawn(3, 2, 4, 4)
    values[1] *= 100
    found = Dynamic()(values)
    for one, other in zip(values, found, strict=True):
        step = float(one.max() - one.min()) / 255
        assert float((one - other).abs().max()) <= step
    assert torch.equal(Dynamic()(values, active=False), values)


def test_infinity_is_named() -> None:
    ranges = Observed(LIKE)
    ranges(torch.tensor([[0.0, math.inf]]))
    with pytest.raises(TrainingError, match=r"^quantize_aware: stem: its input reached infinity"):
        ranges.range("stem")
