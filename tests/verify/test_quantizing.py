"""What errors of a file's size do to a network."""

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.reports import LayerQuantization
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.runtime.program import Program, flat, weights_of
from mobilekit.verify.conditioning import unguarded
from mobilekit.verify.quantizing import disturbed, expected_error, ranges_of, rounded


@pytest.fixture(scope="module")
def program() -> Program:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return trace(network.eval(), (TensorSpec("x", (1, 3, 8, 8), layout="NCHW"),))


def row(program: Program, layer: str, relative: float, factor: float = 1.0) -> LayerQuantization:
    """Say that a file has a layer's weights, times a factor, with an error of a relative size."""
    weight = weights_of(program)[f"{layer}.weight"]
    energy = float((weight.double() ** 2).sum()) * factor**2
    return LayerQuantization(
        layer, layer, "weights:int8", "weights:int8", weight.numel(), 1, 1, energy,
        energy * relative**2,
    )  # fmt: skip


def samples(count: int = 2) -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(0)
    return [{"x": generator.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(count)]


@pytest.mark.parametrize("factor", [1.0, 7.0])
def test_errors_of_weights_are_as_large_as_those_of_the_file(
    program: Program, factor: float
) -> None:
    found = disturbed(program, [row(program, "0", 0.03, factor)], 0)
    weight = weights_of(program)["0.weight"]
    apart = (found["net.0.weight"] - weight).norm() / weight.norm()
    assert float(apart) == pytest.approx(0.03, rel=1e-3)


def test_an_error_grows_with_that_of_the_weights(program: Program) -> None:
    errors = [
        next(
            iter(
                expected_error(
                    program, samples(), [], [row(program, "0", r)], "weights:int8"
                ).values()
            )
        )
        for r in (0.0, 0.01, 0.1)
    ]
    assert errors[0] == 0.0
    assert 0.002 < errors[1] < 0.03
    assert errors[2] == pytest.approx(10 * errors[1], rel=0.2)


def test_ranges_of_activations_hold_zero_and_all_values(program: Program) -> None:
    module = unguarded(program)
    found = ranges_of(module, [[torch.tensor(one["x"])] for one in samples()])
    assert all(low <= 0.0 <= high for low, high in found.values())
    outputs = torch.stack([flat(module(torch.tensor(one["x"])))[0] for one in samples()])
    assert any(high == pytest.approx(float(outputs.detach().max())) for _, high in found.values())


def test_coarser_activations_err_more(program: Program) -> None:
    eight, sixteen, dynamic = (
        next(iter(expected_error(program, samples(), samples(), [], form).values()))
        for form in ("static:int8", "static:int8x16", "dynamic:int8")
    )
    assert 1e-3 < eight < 0.1
    assert sixteen < eight / 50
    assert 0 < dynamic < eight


def test_values_beyond_a_range_are_cut() -> None:
    assert rounded(torch.tensor([5.0, -5.0]), -1.0, 1.0, 255).tolist() == [1.0, -1.0]
    assert rounded(torch.tensor([0.3]), 0.0, 0.0, 255).tolist() == pytest.approx([0.3])
