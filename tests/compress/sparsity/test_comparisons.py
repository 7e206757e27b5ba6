"""Which layers are compared, at which sparsity, and what a group costs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mobilekit.compress.sparsity.comparisons import comparisons
from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.work import Work, work_of
from mobilekit.core.errors import ModelError, RecipeError


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),
        nn.Conv2d(2, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 2, 2, stride=2),
        nn.ConvTranspose2d(2, 3, 2, stride=2),
    )


def filters() -> list[Grouped]:
    return groups_of(network(), "filter")


def work() -> dict[str, Work]:
    return work_of(network(), [torch.zeros(1, 1, 6, 4)])


def test_locally_each_layer_is_by_itself() -> None:
    found = comparisons(filters(), "local", 0.3, {})
    assert [(each.members, each.sparsity) for each in found] == [((k,), 0.3) for k in range(4)]


def test_globally_all_are_together() -> None:
    (found,) = comparisons(filters(), "global", 0.3, {})
    assert (found.members, found.weights) == ((0, 1, 2, 3), (1, 1, 1, 1))


def test_a_block_is_what_has_the_same_size() -> None:
    found = comparisons(filters(), "block", 0.3, work())
    assert [each.members for each in found] == [(0, 1, 3), (2,)]


def test_layers_by_their_names() -> None:
    found = comparisons(filters(), {"[23]": 0.25, "1": 0.5, "?": 0.75}, 0.9, {})
    assert [(each.members, each.sparsity) for each in found] == [
        ((0,), 0.75), ((1,), 0.5), ((2,), 0.25), ((3,), 0.25),
    ]  # fmt: skip
    assert [each.members for each in comparisons(filters(), {"2": 0.5}, 0.5, {})] == [(2,)]


def test_costs_of_a_group() -> None:
    (found,) = comparisons(filters(), "global", 0.5, work(), "params")
    assert [1 / weight for weight in found.weights] == pytest.approx([9, 9, 16, 8])
    (found,) = comparisons(filters(), "global", 0.5, work(), "macs")
    # Output positions; of the transposed convolution those of its input.
    assert [1 / weight for weight in found.weights] == pytest.approx(
        [9 * 24, 9 * 24, 16 * 6, 8 * 6]
    )


@pytest.mark.parametrize(
    ("context", "sparsity", "cost", "message"),
    [
        ("globl", 0.5, "none", "unknown context 'globl'; .*Did you mean global"),
        ("local", 1.0, "none", r"sparsity must be in \[0, 1\), not 1"),
        ("local", -0.1, "none", r"sparsity must be in \[0, 1\)"),
        ("local", float("nan"), "none", r"sparsity must be in \[0, 1\)"),
        ({"0": 1.2}, 0.5, "none", "context: the sparsity of '0' must be in"),
        ({"head": 0.2}, 0.5, "none", "context: 'head' matches no layer"),
        ("local", 0.5, "latencies", "unknown cost 'latencies'; .*Did you mean latency"),
    ],
)
def test_what_is_wrong_is_said(context: object, sparsity: float, cost: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        comparisons(filters(), context, sparsity, work(), cost)  # type: ignore[arg-type]


def test_a_layer_that_did_not_run_has_no_known_cost() -> None:
    known = {name: each for name, each in work().items() if name != "3"}
    with pytest.raises(ModelError, match="3: it did not run"):
        comparisons(filters(), "global", 0.5, known, "macs")


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(["local", "global", "block"]),
    st.sampled_from(["none", "params", "macs"]),
    st.floats(0, 0.99),
)
def test_each_layer_is_compared_once(context: str, cost: str, sparsity: float) -> None:
    found = comparisons(filters(), context, sparsity, work(), cost)  # type: ignore[arg-type]
    assert sorted(k for each in found for k in each.members) == [0, 1, 2, 3]
    assert all(len(each.weights) == len(each.members) for each in found)
    assert all(each.sparsity == sparsity for each in found)
