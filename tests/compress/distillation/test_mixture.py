"""The three losses together."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.compress.distillation.mixture import Mixture, mixed
from mobilekit.core.errors import RecipeError

SHARES = st.floats(0, 1)
LOSSES = st.floats(0, 10)


@settings(deadline=None)
@given(SHARES, SHARES, LOSSES, LOSSES, LOSSES)
def test_it_is_equation_2_4(
    alpha: float, beta: float, task: float, logits: float, features: float
) -> None:
    found = mixed(
        Mixture(alpha, beta),
        *(torch.tensor(loss, dtype=torch.float64) for loss in (task, logits, features)),
    )
    expected = beta * (alpha * logits + (1 - alpha) * features) + (1 - beta) * task
    assert math.isclose(found.item(), expected, rel_tol=1e-12, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("alpha", "beta", "given_", "expected"),
    [
        (1.0, 0.0, (None, None), 3.0),
        (1.0, 1.0, (5.0, None), 5.0),
        (0.0, 1.0, (None, 7.0), 7.0),
        (1.0, 0.5, (5.0, math.nan), 4.0),
    ],
)
def test_a_loss_without_weight_is_not_looked_at(
    alpha: float, beta: float, given_: tuple[float | None, ...], expected: float
) -> None:
    losses = [None if loss is None else torch.tensor(loss) for loss in given_]
    assert mixed(Mixture(alpha, beta), torch.tensor(3.0), *losses).item() == expected


def test_gradients_are_weighted_too() -> None:
    parts = [torch.tensor(1.0, requires_grad=True) for _ in range(3)]
    mixed(Mixture(0.75, 0.5), *parts).backward()
    assert [part.grad.item() for part in parts] == [0.5, 0.375, 0.125]


def test_a_loss_with_a_weight_must_be_there() -> None:
    with pytest.raises(RecipeError, match="weigh a loss of features, but there is none"):
        mixed(Mixture(0.5, 0.5), torch.tensor(1.0), torch.tensor(1.0))
    with pytest.raises(RecipeError, match="weigh a loss of logits"):
        mixed(Mixture(), torch.tensor(1.0))


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_shares_are_fractions(share: float) -> None:
    with pytest.raises(RecipeError, match=r"alpha must be in \[0, 1\]"):
        Mixture(alpha=share)
    with pytest.raises(RecipeError, match=r"beta must be in \[0, 1\]"):
        Mixture(beta=share)
