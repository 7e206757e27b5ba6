"""The step: what it asks for, what it refuses, what it reports."""

import msgspec
import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.base import Context, count_parameters
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.prediction import predict
from mobilekit.compress.registry import methods, step_of
from mobilekit.compress.steps.prune import Budget, Prune
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from mobilekit.export.program import trace
from mobilekit.profile.cost import cost_of_program
from tests.compress.graph.patterns import IMAGE, Cbam, Dense, DictOutputs
from tests.compress.graph.random_nets import every_second, randomize, zero

CONTEXT = Context([torch.zeros(IMAGE)])


def net(kind: type[nn.Module] = DictOutputs) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)  # noqa: TID251
        network = kind().eval()
    randomize(network)
    return network


def test_without_options_the_dead_go_and_the_function_stays() -> None:
    network = net(Dense)
    graph = ChannelGraph(network, CONTEXT.inputs)
    zero(graph, network, every_second(graph))
    smaller, report = Prune(round_to=1).apply(network, CONTEXT)
    assert report.residual is not None
    assert report.residual <= 1e-5
    assert report.params_after == count_parameters(smaller) < report.params_before


def test_nothing_dead_is_an_error() -> None:
    with pytest.raises(NoEffectError, match="no filter is zero"):
        Prune().apply(net(), CONTEXT)


def test_sparsity_takes_exactly_the_least() -> None:
    network = net()
    with torch.no_grad():
        network.stem.weight.mul_(torch.arange(1, 17).reshape(16, 1, 1, 1))
    smaller, _ = Prune(sparsity=0.25, criterion="l1", round_to=1).apply(network, CONTEXT)
    weights = network.stem.weight.detach()
    order = weights.abs().sum((1, 2, 3)).argsort()
    kept = torch.sort(order[4:]).values
    assert torch.equal(smaller.stem.weight, weights[kept])


@pytest.mark.parametrize("budget", [Budget(macs=0.5), Budget(params=0.4), Budget(0.6, 0.5)])
def test_a_budget_is_met_and_not_by_far(budget: Budget) -> None:
    network = net(Cbam)
    whole = cost(network)
    smaller, _ = Prune(budget=budget, round_to=1, context="global").apply(network, CONTEXT)
    left = cost(smaller)
    shares = [left[0] / whole[0], left[1] / whole[1]]
    asked = [budget.params, budget.macs]
    assert all(a is None or share <= a for share, a in zip(shares, asked, strict=True))
    assert any(a is not None and share > a - 0.2 for share, a in zip(shares, asked, strict=True))


def cost(network: nn.Module) -> tuple[int, int]:
    """By another way: the exported program's own count."""
    from mobilekit.core.tensors import TensorSpec

    program = trace(network, (TensorSpec("image", IMAGE, layout="NCHW"),))
    report = cost_of_program(program.exported)
    return report.params, report.macs


def test_the_prediction_is_what_the_cut_network_costs() -> None:
    network = net(Dense)
    graph = ChannelGraph(network, CONTEXT.inputs)
    removed = every_second(graph)
    expected = predict(graph, network, removed)
    smaller, _ = Prune(
        channels={
            axis.parameter.rpartition(".")[0]: tuple(
                removed[graph.channels_of(axis)].nonzero().reshape(-1).tolist()
            )
            for axis in graph.writers
            if bool(removed[graph.channels_of(axis)].any())
        },
        round_to=1,
    ).apply(network, CONTEXT)
    assert (expected.params, expected.macs) == cost(smaller)


def test_a_budget_out_of_reach_names_the_nearest() -> None:
    with pytest.raises(
        RecipeError, match=r"cannot be met; the least that can remain is macs=0\.\d+"
    ):
        Prune(budget=Budget(macs=0.001), round_to=1).apply(net(), CONTEXT)


def test_options_at_odds() -> None:
    with pytest.raises(RecipeError, match="not several of them"):
        Prune(sparsity=0.5, budget=Budget(macs=0.5)).apply(net(), CONTEXT)


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 2])
def test_a_sparsity_out_of_range(sparsity: float) -> None:
    with pytest.raises(RecipeError, match=r"\$\.sparsity"):
        step_of({"kind": "prune", "sparsity": sparsity}, "here")


def test_nan_weights_are_named() -> None:
    network = net()
    with torch.no_grad():
        network.middle.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"^middle\.weight: NaN"):
        Prune(sparsity=0.5).apply(network, CONTEXT)


def test_control_flow_by_values_is_refused_with_its_place() -> None:
    class Flow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.head(x) if x.sum() > 0 else self.head(-x)

    with pytest.raises(ModelError, match=r"test_prune\.py:\d+.*decides by the values of a tensor"):
        Prune(sparsity=0.5).apply(Flow(), CONTEXT)


def test_what_was_not_reached_is_said() -> None:
    step = Prune(sparsity=0.5, round_to=1)
    pruned, _ = step.carry_out(net(Cbam), CONTEXT)
    words = step.unmet(pruned)
    assert {one.split(":")[0] for one in words} == {"stem", "squeeze.2"}
    assert all("pinned: works over channels (mean at patterns.py" in one for one in words)


def test_dead_channels_that_must_stay_are_reported() -> None:
    class Border(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.deep = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.head = nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = nn.functional.pad(torch.tanh(self.deep(torch.tanh(self.stem(x)))), (1, 1, 1, 1))
            return self.head(torch.tanh(x) * torch.sigmoid(x))

    network = Border().eval()
    with torch.no_grad():
        network.deep.weight[:4] = 0
    step = Prune(round_to=1)
    with pytest.raises(NoEffectError, match="no constants where they are read"):
        step.carry_out(network, CONTEXT)


def test_the_step_is_listed_and_round_trips() -> None:
    assert "prune" in {method.kind for method in methods()}
    step = Prune(sparsity=0.3, budget=None, criterion="l1", context="global")
    assert msgspec.json.decode(msgspec.json.encode(step), type=Prune) == step


def test_the_same_seed_gives_the_same_channels() -> None:
    step = Prune(sparsity=0.5, criterion="random", round_to=1)
    first, _ = step.apply(net(), Context(CONTEXT.inputs, seed=5))
    again, _ = step.apply(net(), Context(CONTEXT.inputs, seed=5))
    other, _ = step.apply(net(), Context(CONTEXT.inputs, seed=6))
    assert torch.equal(first.stem.weight, again.stem.weight)
    assert not torch.equal(first.stem.weight, other.stem.weight)


def test_an_exported_program_can_be_pruned() -> None:
    """Its module has no `eval()`."""
    network = net()
    module = torch.export.export(network, tuple(CONTEXT.inputs)).module()
    smaller, report = Prune(sparsity=0.5, round_to=1).apply(module, CONTEXT)
    assert report.params_after < report.params_before
    assert smaller(*CONTEXT.inputs)["out"].shape == network(*CONTEXT.inputs)["out"].shape
