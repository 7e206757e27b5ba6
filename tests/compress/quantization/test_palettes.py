"""Palettes against scikit-free k-means by hand, and their gradient against the formula written out."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.compress.quantization.palettes import TEMPERATURE, Palette, nearest, settled


def drawn(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 10_000), size=st.sampled_from((2, 4, 16)))
def test_the_nearest_entry_is_that_of_all_distances(seed: int, size: int) -> None:
    table, values = drawn(size, seed).sort().values, drawn(50, seed + 1)
    apart = np.abs(values.double().numpy()[:, None] - table.double().numpy())
    chosen = apart[np.arange(50), nearest(table, values).numpy()]
    assert np.allclose(chosen, apart.min(1), rtol=0, atol=1e-6)


@given(seed=st.integers(0, 10_000))
def test_rounds_never_raise_the_squared_error(seed: int) -> None:
    table, values = drawn(4, seed).sort().values, drawn(60, seed + 1)
    errors = []
    for _ in range(6):
        errors.append(float((table[nearest(table, values)] - values).double().square().sum()))
        table = settled(table, values)
    assert all(two <= one * (1 + 1e-6) for one, two in itertools.pairwise(errors))


def test_clusters_that_are_far_apart_are_found() -> None:
    centres = torch.tensor([-3.0, -1.0, 0.5, 2.0])
    values = centres.repeat_interleave(50) + 0.01 * drawn(200)
    grid = Palette(values, 2)
    grid.begin(values)
    assert torch.allclose(grid.table, values.view(4, 50).mean(1), atol=1e-6)
    assert torch.equal(grid(values), grid.table.repeat_interleave(50))


def test_the_gradient_is_that_of_soft_assignment() -> None:
    values = drawn(40).double().requires_grad_()
    grid = Palette(values, 2)
    grid.begin(values)
    above, table = drawn(40, 1).double(), grid.table
    grid(values).backward(above)
    gap = float(table[3] - table[0]) / 3

    def soft(point: torch.Tensor) -> float:
        weights = torch.exp(-(point[:, None] - table).abs() / (TEMPERATURE * gap))
        weights = weights / weights.sum(1, keepdim=True)
        means = (weights * point[:, None]).sum(0) / weights.sum(0)
        return float((above * (weights * means).sum(1)).sum())

    for place in range(0, 40, 7):
        shift = torch.zeros(40, dtype=torch.float64)
        shift[place] = 1e-6
        slope = (soft(values.detach() + shift) - soft(values.detach() - shift)) / 2e-6
        assert float(values.grad[place]) == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_zeros_stay_zeros_and_equal_weights_are_no_trouble() -> None:
    values = drawn(30)
    values[::3] = 0
    grid = Palette(values, 2)
    grid.begin(values)
    assert not grid(values)[::3].any()
    alike = torch.full((5,), 0.25, requires_grad=True)
    grid = Palette(alike, 3)
    grid.begin(alike)
    found = grid(alike)
    found.sum().backward()
    assert torch.equal(found, alike)
    assert bool(alike.grad.isfinite().all())


def test_without_gradients_the_table_stays() -> None:
    values = drawn(30)
    grid = Palette(values, 2)
    grid.begin(values)
    before = grid.table.clone()
    with torch.no_grad():
        grid.begin(2 * values)
    assert torch.equal(grid.table, before)
    grid.begin(2 * values)
    assert not torch.equal(grid.table, before)
