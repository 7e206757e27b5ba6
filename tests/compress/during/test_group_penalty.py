"""Gradient in closed form against autograd; exact zeros; groups over both sides of a residual sum."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.base import Context
from mobilekit.compress.during.group_penalty import GroupPenalty
from mobilekit.core.errors import NoEffectError, RecipeError
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import drawn, plain


class Residual(nn.Module):
    """`stem(x) + branch(stem(x))`: their filters make the same channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)
        drawn(self)

    def forward(self, images: Tensor) -> Tensor:
        found = self.stem(images)
        return self.head((found + self.branch(found)).mean((2, 3)))


def slopes(network: nn.Module, method: GroupPenalty) -> dict[str, Tensor]:
    handle = method.start(network, Context((INPUTS[0].double(),)))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    handle.after_backward()
    return {name: each.grad for name, each in network.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("form", ["norm", "weighted", "mean"])
@pytest.mark.parametrize("granularity", ["filter", "kernel", "row"])
def test_gradient_is_that_of_the_sum(form: Any, granularity: str) -> None:
    network = plain().double()
    found = slopes(
        network, GroupPenalty(0.3, granularity, form, layers=("4",) if granularity == "row" else ())
    )
    wanted = [network[4].weight] if granularity == "row" else [network[0].weight, network[2].weight]
    total = torch.zeros((), dtype=torch.float64)
    for weight in wanted:
        groups = weight.flatten(2).flatten(0, 1) if granularity == "kernel" else weight.flatten(1)
        for group in groups:
            if form == "mean":
                total = total + 0.3 * group.abs().mean()
            else:
                total = total + 0.3 * group.norm() * (
                    len(group) ** 0.5 if form == "weighted" else 1
                )
    expected = torch.autograd.grad(total, wanted)
    names = ["4.weight"] if granularity == "row" else ["0.weight", "2.weight"]
    for name, slope in zip(names, expected, strict=True):
        torch.testing.assert_close(found.pop(name), slope, rtol=1e-10, atol=1e-14)
    assert all(float(each.abs().max()) == 0 for each in found.values())


def test_coupled_gradient_is_that_of_both_convolutions() -> None:
    network = Residual().double()
    found = slopes(network, GroupPenalty(strength=0.3, coupled=True))
    both = [network.stem.weight, network.branch.weight]
    biases = [
        each for name, each in network.named_parameters() if name in {"stem.bias", "branch.bias"}
    ]
    for parts in (both, [*both, *biases]):  # a bias may belong to its channel
        energy = sum(
            each.square().flatten(1).sum(1) if each.ndim > 1 else each.square() for each in parts
        )
        assert isinstance(energy, Tensor)
        expected = torch.autograd.grad(0.3 * energy.sqrt().sum(), both)
        if torch.allclose(found["stem.weight"], expected[0], rtol=1e-9):
            break
    torch.testing.assert_close(found["stem.weight"], expected[0], rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(found["branch.weight"], expected[1], rtol=1e-9, atol=1e-14)


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, 0.1)


def test_proximal_step_makes_groups_exactly_zero_in_both_convolutions() -> None:
    network = Residual()
    with torch.no_grad():
        network.stem.weight[2] *= 1e-3
        network.branch.weight[2] *= 1e-3
        network.stem.weight[4] *= 1e-3  # small on one side only
    method = GroupPenalty(strength=0.3, proximal=True, coupled=True)
    acting, notes = run(network, [method], 6, make=sgd)
    for layer in (network.stem, network.branch):
        gone = layer.weight.flatten(1).any(1).logical_not().nonzero().flatten().tolist()
        assert 2 in gone
        assert 4 not in gone
    assert notes == (
        f"group_penalty: {int(acting.figures()['zero_groups'])} of 6 channels are zero",
    )


def test_proximal_step_is_the_shrinkage() -> None:
    """max(0, 1 − rate · λ / ‖W_g‖) · W_g, with the optimizer's rate of now."""
    network = plain()
    optimizer = torch.optim.SGD(network.parameters(), 0.25)
    handle = GroupPenalty(strength=2.0, proximal=True, layers=("2",)).start(network, Context(()))
    before = network[2].weight.detach().clone()
    norms = before.flatten(1).norm(dim=1)
    handle.after_step(0.5, optimizer)
    factor = (1 - 0.25 * 2.0 / norms).clamp_min(0)
    torch.testing.assert_close(network[2].weight.detach(), before * factor.view(-1, 1, 1, 1))
    assert float(factor.max()) < 1


def test_groups_are_pulled_down() -> None:
    norms = []
    for strength in (1e-6, 0.2):
        network = plain()
        acting, notes = run(network, [GroupPenalty(strength=strength)], 40)
        norms.append(float(network[2].weight.detach().norm()))
        assert acting.figures()["penalty"] > 0
        assert notes[0].endswith("of 16 groups are zero")
    assert norms[1] < norms[0] / 2


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NoEffectError, match="a strength of 0 changes nothing"):
        GroupPenalty(strength=0.0).start(plain(), Context(INPUTS))
    with pytest.raises(RecipeError, match="coupled groups are channels"):
        GroupPenalty(coupled=True, layers=("0",)).start(plain(), Context(INPUTS))
    with pytest.raises(RecipeError, match="coupled groups need example inputs"):
        GroupPenalty(coupled=True).start(plain(), Context(()))
    network = plain()
    handle = GroupPenalty(proximal=True).start(network, Context(INPUTS))
    with pytest.raises(RecipeError, match="needs the optimizer, for its learning rate"):
        handle.after_step(0.5)
    other = torch.optim.SGD(plain().parameters(), 0.1)
    with pytest.raises(RecipeError, match="does not have the weights that shall shrink"):
        handle.after_step(0.5, other)
