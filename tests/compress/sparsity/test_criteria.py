"""What a weight matters: the formulas, written again for arrays."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mobilekit.compress.sparsity.criteria import CRITERIA, criterion
from mobilekit.core.errors import RecipeError

FORMULAS = {
    "large_final": lambda w, _: np.abs(w),
    "squared_final": lambda w, _: w**2,
    "small_final": lambda w, _: -np.abs(w),
    "large_init": lambda _, i: np.abs(i),
    "small_init": lambda _, i: -np.abs(i),
    "large_init_large_final": lambda w, i: np.minimum(np.abs(w), np.abs(i)),
    "small_init_small_final": lambda w, i: -np.maximum(np.abs(w), np.abs(i)),
    "magnitude_increase": lambda w, i: np.abs(w) - np.abs(i),
    "movement": lambda w, i: np.abs(w - i),
    "mov_large_final": lambda w, i: np.abs(w * (w - i)),
    "mov_mag": lambda w, i: np.abs(np.abs(w) - np.abs(i)),
    "taylor": lambda w, g: np.abs(w * g),
    "gradient": lambda _, g: np.abs(g),
}
UPDATING = ["magnitude_increase", "movement", "mov_large_final", "mov_mag"]


@pytest.mark.parametrize("name", [*FORMULAS, *(f"updating_{name}" for name in UPDATING)])
def test_formulas(name: str) -> None:
    rng = np.random.default_rng(3)
    weights, other = rng.normal(size=(2, 4, 3, 2, 2))
    found = criterion(name).formula(torch.from_numpy(weights), torch.from_numpy(other))
    wanted = FORMULAS[name.removeprefix("updating_")](weights, other)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-14)


def test_the_list_is_complete_and_says_what_each_needs() -> None:
    special = {"random": "generator", "fpgm": "nothing", "batch_norm_scale": "scale"}
    updating = {f"updating_{name}" for name in UPDATING}
    assert {*CRITERIA} == {*FORMULAS, *special, *updating}
    needs = {name: each.needs for name, each in CRITERIA.items()}
    assert {name for name in needs if needs[name] == "gradient"} == {"taylor", "gradient"}
    assert {name for name, each in CRITERIA.items() if each.updating} == updating
    assert all(needs[name] == "reference" for name in updating)
    assert {name: needs[name] for name in special} == special
    assert {name for name, each in CRITERIA.items() if each.by_filter} == {
        "fpgm",
        "batch_norm_scale",
    }


def test_unknown_names() -> None:
    with pytest.raises(RecipeError, match=r"unknown criterion 'movmag'; .*Did you mean mov_mag"):
        criterion("movmag")


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 99))
def test_the_geometric_median_against_a_double_loop(filters: int, size: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(filters, size))
    wanted = [
        sum(math.sqrt(sum((a - b) ** 2 for a, b in zip(one, two, strict=True))) for two in rows)
        for one in rows
    ]
    found = criterion("fpgm").formula(torch.from_numpy(rows), torch.empty(0))
    # Squares of distances are differences of squares, rounded at 1e-16; their roots at 1e-8.
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_filters_that_are_alike_are_at_no_distance(dtype: torch.dtype) -> None:
    rows = (torch.full((30, 27), 1e3) + torch.arange(27) / 7).to(dtype)
    assert not criterion("fpgm").formula(rows, rows).any()
    rows[7] = -rows[7]
    found = criterion("fpgm").formula(rows, rows)
    far = float((2 * rows[0].double()).norm())
    wanted = [29 * far if k == 7 else far for k in range(30)]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-7)


def test_taylor_estimates_the_change_of_the_loss_by_removal() -> None:
    """Of a loss that is linear in each weight |g · w| is the change, to the last digit."""
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(5, 1, bias=False).double()
    images = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    layer(images).sum().backward()
    found = criterion("taylor").formula(layer.weight.detach(), layer.weight.grad)
    for k in range(5):
        with torch.no_grad():
            before = layer(images).sum()
            kept = float(layer.weight[0, k])
            layer.weight[0, k] = 0
            after = layer(images).sum()
            layer.weight[0, k] = kept
        assert float(found[0, k]) == pytest.approx(abs(float(before - after)), rel=1e-9, abs=1e-12)
