"""The oracle is NumPy's: `tiny` of a type, and the weights as they were."""

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.compress.base import Context
from mobilekit.compress.steps.flush_denormals import FlushDenormals, flush_denormals
from mobilekit.core.errors import NoEffectError

SINGLE = float(np.finfo(np.float32).tiny)
HALF = float(np.finfo(np.float16).tiny)


def network(*values: float) -> nn.Sequential:
    """A linear layer with these as its first weights; the others are 1."""
    made = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    for parameter in made.parameters():
        nn.init.ones_(parameter)
    made[0].weight.data.flatten()[: len(values)] = torch.tensor(values)
    return made.eval()


def first(flushed: nn.Module, count: int) -> list[float]:
    return [float(value) for value in flushed[0].weight.detach().flatten()[:count]]


def test_what_is_below_the_smallest_normal_float32_becomes_zero():
    given = network(1e-40, -1e-40, SINGLE, -SINGLE, 0.0, SINGLE / 2)
    result = flush_denormals(given)
    assert result.counts == {"0.weight": 3}
    assert first(result.network, 6) == [0.0, 0.0, SINGLE, -SINGLE, 0.0, 0.0]
    assert given[0].weight.flatten()[0] != 0
    assert result.network[0].weight.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_float16_has_more_of_them_whatever_the_type_of_the_network(dtype):
    given = network(HALF, HALF / 2, -HALF / 4, 1e-40).to(dtype)
    values = given[0].weight.detach().double().numpy()
    expected = np.where(np.abs(values) < HALF, 0.0, values)
    result = flush_denormals(given, "float16")
    assert np.array_equal(result.network[0].weight.detach().double().numpy(), expected)
    assert result.counts["0.weight"] == int(((np.abs(values) < HALF) & (values != 0)).sum())
    assert result.network[0].weight.dtype == dtype


def test_batch_norms_lose_denormals_of_float32_only_and_statistics_stay():
    given = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    given[1].weight.data[:2] = torch.tensor([1e-40, 1e-6])
    given[1].running_var[:2] = torch.tensor([1e-40, 1e-6])
    given[0].weight.data[0, 0] = 1e-6
    single, half = flush_denormals(given), flush_denormals(given, "float16")
    assert single.counts == {"1.weight": 1}
    assert half.counts == {"0.weight": 1}
    assert torch.equal(half.network[1].weight, given[1].weight)
    for result in (single, half):
        assert torch.equal(result.network[1].running_var, given[1].running_var)


def test_a_weight_of_two_layers_is_counted_once():
    given = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    given[1].weight = given[0].weight
    given[0].weight.data[0, 0] = 1e-40
    result = flush_denormals(given)
    assert result.counts == {"0.weight": 1}
    assert result.network[1].weight is result.network[0].weight


@pytest.mark.parametrize(("precision", "words"), [("float32", "1.2e-38"), ("float16", "6.1e-05")])
def test_without_denormals_there_is_nothing_to_do(precision, words):
    with pytest.raises(
        NoEffectError, match=f"between 0 and {words}, the smallest normal {precision}"
    ):
        flush_denormals(network(0.0, 1e-4), precision)


def test_the_report_counts_and_measures():
    given = network(1e-40, 3e-5)
    context = Context(inputs=[torch.zeros(1, 4)])
    _, report = FlushDenormals().apply(given, context)
    assert report.residual == 0  # 1e-40 disappears beside the other weights of 1
    assert report.notes == (
        "1 of 23 weights were denormal in float32, and are 0 now",
        "0.weight: 1",
    )
    result, report = FlushDenormals(precision="float16").apply(given, context)
    assert first(result, 2) == [0.0, 0.0]
    assert report.notes[0].startswith("2 of 23 weights")
    assert 0 < report.residual < 1e-3  # 3e-5 of a sum of numbers of about 1
    assert report.params_before == report.params_after == 23


def test_a_report_names_ten_parameters_and_counts_the_rest():
    given = nn.Sequential(*(nn.Linear(2, 2) for _ in range(12)))
    for place, layer in enumerate(given):
        layer.weight.data.flatten()[: 1 + place % 4] = 1e-40
    _, report = FlushDenormals().apply(given, Context(inputs=[torch.zeros(1, 2)]))
    assert len(report.notes) == 12
    assert report.notes[1] == "3.weight: 4"
    assert report.notes[-1] == "and 2 parameters more"
