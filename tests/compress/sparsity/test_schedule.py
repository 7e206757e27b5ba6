"""How the sparsity grows: the formulas, their ends, and formulas of one's own."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.compress.sparsity.schedule import SCHEDULES, Schedule, custom, formula, schedule
from mobilekit.core.errors import RecipeError

FORMULAS = {
    "one_shot": np.ones_like,
    "iterative": lambda t: np.ceil(np.round(5 * t, 9)) / 5,
    "gradual": lambda t: 1 - (1 - t) ** 3,
    "one_cycle": lambda t: (1 + np.exp(-14 + 5)) / (1 + np.exp(-14 * t + 5)),
    "cosine": lambda t: 0.5 - np.cos(np.pi * t) / 2,
    "linear": lambda t: t,
    "dense_sparse_dense": lambda t: np.sin(np.pi * t) ** 2,
}
KINDS = st.sampled_from(sorted(FORMULAS))
SHARES = st.floats(0, 1)


@pytest.mark.parametrize("kind", FORMULAS)
def test_formulas_of_the_thesis(kind: str) -> None:
    made = schedule(kind, start=0.25, end=0.75)
    progress = np.linspace(0.25, 0.75, 401)
    wanted = FORMULAS[kind]((progress - 0.25) / 0.5)
    np.testing.assert_allclose([made(at) for at in progress], wanted, atol=1e-9)


@pytest.mark.parametrize("kind", FORMULAS)
def test_ends(kind: str) -> None:
    made = schedule(kind, start=0.25, end=0.75)
    last = 0.0 if kind == "dense_sparse_dense" else 1.0
    assert made(0) == made(0.2499) == 0
    assert made(0.75) == made(0.9) == made(1) == pytest.approx(last, abs=1e-12)
    assert last == 0 or made(1) == 1  # the whole sparsity, to the bit


@given(KINDS, SHARES, SHARES, SHARES, SHARES)
def test_shares_grow_within_0_and_1(
    kind: str, start: float, end: float, one: float, two: float
) -> None:
    start, end = sorted((start, end))
    made = schedule(kind, start=start, end=end)
    low, high = sorted((one, two))
    assert 0 <= made(low) <= 1
    assert kind == "dense_sparse_dense" or made(low) <= made(high)


def test_dense_sparse_dense_is_dense_sparse_and_dense() -> None:
    made = schedule("dense_sparse_dense", start=0.2, end=0.6)
    assert made(0.2) == 0
    assert made(0.4) == 1
    assert made(0.3) == pytest.approx(made(0.5))
    assert made(0.6) == pytest.approx(0, abs=1e-12)


@given(st.integers(1, 30), st.integers(0, 1000), SHARES)
def test_iterative_takes_n_equal_steps(n: int, step: int, start: float) -> None:
    """A progress that a float misses by little does not take a step early."""
    step = step % (n + 1)
    made = schedule("iterative", n=n, start=start * 0.5)
    progress = start * 0.5 + (1 - start * 0.5) * step / n
    assert made(progress) == pytest.approx(step / n)


def test_a_schedule_is_a_value_that_nothing_shares() -> None:
    one, two = schedule("one_cycle"), schedule("one_cycle")
    assert one is not two
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.start = 0.5  # type: ignore[misc]
    before = [two(at) for at in (0, 0.3, 1)]
    [one(at) for at in (1, 0.5, 0)]
    assert [two(at) for at in (0, 0.3, 1)] == before
    assert all(callable(make) and not isinstance(make, Schedule) for make in SCHEDULES.values())


def test_alpha_steepens_and_beta_delays() -> None:
    base = schedule("one_cycle")
    assert base(5 / 14) == pytest.approx((1 + math.exp(-9)) / 2)
    assert schedule("one_cycle", alpha=28.0, beta=10.0)(0.25) < base(0.25)
    assert schedule("one_cycle", beta=7.0)(0.4) < base(0.4)
    assert schedule("one_cycle", alpha=1e9, beta=-1e9)(0.5) == 1
    assert schedule("one_cycle", alpha=1.0, beta=1e9)(1.0) == 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("t", 0.25),
        ("1 - (1 - t) ** 3", 1 - 0.75**3),
        ("(1 - cos(pi * t)) / 2", (1 - math.cos(math.pi / 4)) / 2),
        ("min(2 * t, 1)", 0.5),
        ("max(0, +t - 0.2)", 0.05),
        ("sqrt(t)", 0.5),
        ("exp(t) / exp(1) * sin(pi / 2) * t", math.exp(-0.75) / 4),
        (" -(-t) ", 0.25),
    ],
)
def test_formulas(text: str, wanted: float) -> None:
    assert formula(text)(0.25) == pytest.approx(wanted)
    assert custom(text, start=0.5)(0.5 + 0.25 / 2) == pytest.approx(wanted)
    assert schedule("custom", share=text)(0.25) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "text",
    [
        "", "t +", "x", "__import__('os')", "t.real", "[t][0]", "lambda: t", "t if t else 0", "'t'",
        "cos(t, x=1)", "open(t)", "t and 1", "t // 2", "1 / t", "1 / (t - 1)", "sqrt(t - 0.5)",
        "9 ** 9 ** 9", "cos()", "(t - 1) ** 0.5", "1j",
    ],
)  # fmt: skip
def test_what_is_no_formula_is_refused_at_once(text: str) -> None:
    with pytest.raises(RecipeError, match="is not a formula in t"):
        custom(text)


@pytest.mark.parametrize("text", ["2 * t", "t - 0.1", "0 * t - 1", "t ** 0 * 1.1"])
def test_a_formula_out_of_range_is_refused_before_training(text: str) -> None:
    with pytest.raises(RecipeError, match=r"schedule custom: the share .* is in \[0, 1\], not"):
        custom(text)


@pytest.mark.parametrize("share", [1.5, -0.5, math.nan])
def test_a_function_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(RecipeError, match=r"in \[0, 1\]"):
        custom(lambda _: share)(0.5)
    assert custom(lambda t: t * t)(0.5) == 0.25


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("one_cicle", {}, "unknown schedule 'one_cicle'; .*Did you mean one_cycle"),
        ("linear", {"strat": 0.1}, "schedule linear: .*strat"),
        ("linear", {"start": 0.8, "end": 0.2}, "0 <= start <= end <= 1, not 0.8 and 0.2"),
        ("linear", {"start": -0.1}, "start <= end"),
        ("linear", {"end": 1.5}, "start <= end"),
        ("linear", {"start": math.nan}, "start <= end"),
        ("linear", {"start": "soon"}, "schedule linear"),
        ("iterative", {"n": 0}, "n must be a whole number"),
        ("iterative", {"n": 2.5}, "n must be a whole number"),
        ("one_cycle", {"alpha": 0.0}, "alpha"),
        ("one_cycle", {"beta": math.inf}, "alpha"),
        ("custom", {}, "schedule custom: .*share"),
    ],
)
def test_what_is_wrong_is_said(kind: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        schedule(kind, **options)
