"""Sensitivities by backward passes against errors that were really made."""

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.runtime.program import Program, weights_of
from mobilekit.search.sensitivity import expected, factors, sensitivities


def program_of(network: nn.Module) -> Program:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return trace(network.eval(), (TensorSpec("x", (1, 3, 8, 8), layout="NCHW"),))


def samples() -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(0)
    return [{"x": generator.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(4)]


def test_a_linear_network_s_sensitivity_is_known_in_closed_form() -> None:
    program = program_of(nn.Sequential(nn.Flatten(), nn.Linear(192, 5, bias=False)))
    found = sensitivities(program, samples(), draws=64)["1.weight"]
    weight = weights_of(program)["1.weight"]
    # y_o = w_o . x, so errors of variance 1 in w_o move y by |x|^2 in o alone
    wanted = 0.0
    for one in samples():
        x = torch.tensor(one["x"]).flatten().double()
        wanted += float((x @ x) / ((weight.double() @ x) ** 2).sum()) / 4
    assert found.tolist() == pytest.approx([wanted] * 5, rel=1e-4)


@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("layer", ["0.weight", "2.weight", "5.weight"])
def test_small_errors_move_the_outputs_as_expected(layer: str, by_channel: bool) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3), nn.Tanh(), nn.Flatten(),
        nn.Linear(96, 7),
    )  # fmt: skip
    program = program_of(network)
    found = sensitivities(program, samples(), draws=64)
    weight = weights_of(program)[layer]
    module = program.exported.module()
    parameter = dict(module.named_parameters())[f"net.{layer}"]
    generator = torch.Generator().manual_seed(1)
    moved = []
    for _ in range(60):
        noise = torch.randn(weight.shape, generator=generator)
        if by_channel:
            noise = noise * weight.abs().flatten(1).amax(1).reshape(-1, *[1] * (weight.ndim - 1))
        noise = noise * 1e-3 * weight.norm() / noise.norm()
        for one in samples():
            with torch.no_grad():
                parameter.copy_(weight)
                before = module(torch.tensor(one["x"]))[0]
                parameter.copy_(weight + noise)
                after = module(torch.tensor(one["x"]))[0]
            moved.append(float(((after - before) ** 2).sum() / (before**2).sum()))
    with torch.no_grad():
        parameter.copy_(weight)
    wanted = expected(found[layer], weight, 1e-6, by_channel=by_channel)
    assert wanted == pytest.approx(float(np.mean(moved)), rel=0.25)


def test_errors_of_folded_weights_move_the_outputs_as_expected() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Tanh(), nn.Conv2d(8, 6, 3),
        nn.Flatten(), nn.Linear(96, 7),
    )  # fmt: skip
    norm = network[1]
    assert isinstance(norm, nn.BatchNorm2d)
    variance = torch.logspace(-3, 1, 8)
    norm.running_var = variance
    program = program_of(network)
    found = factors(program)
    factor = norm.weight.detach().double() / (variance.double() + norm.eps) ** 0.5
    assert found.keys() == {"0.weight"}
    assert found["0.weight"].tolist() == pytest.approx(factor.tolist())
    weight, wide = weights_of(program)["0.weight"], factor.float().reshape(-1, 1, 1, 1)
    module = program.exported.module()
    parameter = dict(module.named_parameters())["net.0.weight"]
    generator = torch.Generator().manual_seed(1)
    moved = []
    for _ in range(60):
        noise = torch.randn(weight.shape, generator=generator)
        noise = noise * 1e-3 * (weight * wide).norm() / noise.norm()
        for one in samples():
            with torch.no_grad():
                parameter.copy_(weight)
                before = module(torch.tensor(one["x"]))[0]
                parameter.copy_(weight + noise / wide)
                after = module(torch.tensor(one["x"]))[0]
            moved.append(float(((after - before) ** 2).sum() / (before**2).sum()))
    sensitivity = sensitivities(program, samples(), draws=64)["0.weight"]
    wanted = expected(sensitivity, weight, 1e-6, by_channel=False, factor=factor)
    assert wanted == pytest.approx(float(np.mean(moved)), rel=0.15)
    plain = expected(sensitivity, weight, 1e-6, by_channel=False)
    assert abs(plain / wanted - 1) > 0.2


def test_a_layer_that_no_output_hears_has_none() -> None:
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heard, self.unheard = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.heard(x) + 0 * self.unheard(x)

    found = sensitivities(program_of(Deaf()), samples(), draws=1)
    assert found["unheard.weight"].tolist() == [0.0, 0.0]
    assert min(found["heard.weight"].tolist()) > 0
