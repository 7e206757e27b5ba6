"""The course of the learning rate against PyTorch's own, and which optimizer is made."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import Optimizer, lr_scheduler

from mobilekit.compress.fitting.rates import OptimizerConfig

STEPS = 16
SCHEDULERS: dict[str, Callable[[Optimizer], Any]] = {
    "constant": lambda made: lr_scheduler.ConstantLR(made, 1.0),
    "cosine": lambda made: lr_scheduler.CosineAnnealingLR(made, STEPS),
    "linear": lambda made: lr_scheduler.LinearLR(made, 1.0, 0.0, STEPS),
    "step": lambda made: lr_scheduler.MultiStepLR(made, [STEPS // 2, STEPS * 3 // 4], 0.1),
}


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_rates_are_those_of_pytorch(kind: Any) -> None:
    weight = nn.Parameter(torch.ones(1))
    mine, rate = OptimizerConfig("sgd", 0.5, schedule=kind).build([weight], STEPS)
    its = torch.optim.SGD([weight], 0.5)
    other = SCHEDULERS[kind](its)
    for _ in range(STEPS):
        assert mine.param_groups[0]["lr"] == pytest.approx(its.param_groups[0]["lr"], abs=1e-12)
        for each in (mine, rate, its, other):
            each.step()


def test_one_cycle_rises_for_three_tenths_and_falls() -> None:
    config = OptimizerConfig(schedule="one_cycle")
    assert [config.rate(t) for t in (0.0, 0.3, 1.0)] == pytest.approx(
        [1 / 25, 1.0, 1e-5], abs=1e-12
    )
    rates = [config.rate(t / 100) for t in range(101)]
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert max(abs(one - two) for one, two in itertools.pairwise(rates)) < 0.06  # no jump


@given(st.integers(1, 5), st.integers(0, 99), st.sampled_from(["cosine", "linear", "one_cycle"]))
def test_cycles_repeat_the_course(cycles: int, place: int, kind: Any) -> None:
    once, often = OptimizerConfig(schedule=kind), OptimizerConfig(schedule=kind, cycles=cycles)
    for cycle in range(cycles):
        found = often.rate((cycle + place / 100) / cycles)
        near = [once.rate(place / 100)] + ([once.rate(1.0)] if place == 0 else [])  # rounding
        assert min(abs(found - one) for one in near) < 1e-6
    assert often.rate(1.0) == once.rate(1.0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sgd", torch.optim.SGD),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_optimizer_takes_what_trains(kind: Any, expected: type[Optimizer]) -> None:
    one, two = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1), requires_grad=False)
    made, _ = OptimizerConfig(kind, 0.1, 0.3, momentum=0.7, schedule="constant").build(
        [one, two], 1
    )
    assert type(made) is expected
    (group,) = made.param_groups
    assert group["params"] == [one]
    assert (group["lr"], group["weight_decay"]) == (0.1, 0.3)
    if kind in {"sgd", "rmsprop"}:
        assert group["momentum"] == 0.7
