"""What stays of what is wanted gone: carriers, rounding, importance, and what that costs."""

import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.base import Context, count_parameters
from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.pruning import noise, prune
from mobilekit.compress.steps.prune import Budget, Prune
from mobilekit.compress.trial import Options, Trial
from mobilekit.core.errors import NoEffectError, RecipeError
from tests.compress.graph.patterns import IMAGE, Cbam
from tests.compress.graph.random_nets import randomize

INPUTS = [torch.zeros(1, 3, 16, 16)]


class Chain(nn.Module):
    """Padded convolutions: a dead filter behind a norm needs a carrier."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.head = nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.first(x)))
        return self.head(torch.tanh(self.norm2(self.second(x))))


def chain(*dead: tuple[str, int]) -> Chain:
    """Make a chain in which the last so many filters of layers are zero."""
    with torch.random.fork_rng():
        torch.manual_seed(5)  # noqa: TID251
        network = Chain().eval()
    randomize(network)
    with torch.no_grad():
        for layer, count in dead:
            network.get_submodule(layer).weight[-count:] = 0
    return network


@pytest.mark.parametrize("count", [8, 9, 16, 17, 24])
def test_the_carrier_counts_when_widths_are_rounded(count: int) -> None:
    network = chain(("first", count))
    if count == 8:  # 24 of 32 live and a carrier: nothing to gain
        with pytest.raises(NoEffectError, match="rounding keeps all 7 channels"):
            prune(network, INPUTS, options=Options(round_to=8))
        return
    pruned = prune(network, INPUTS, options=Options(round_to=8))
    assert pruned.network.first.out_channels == -(-(32 - count + 1) // 8) * 8
    assert pruned.rounded == pruned.network.first.out_channels - (32 - count + 1)
    assert residual(network, pruned.network, resolutions(network, INPUTS)[0]) <= 1e-5


def test_what_rounding_keeps_is_the_most_important() -> None:
    network = chain()
    with torch.no_grad():
        network.first.weight.copy_(torch.ones_like(network.first.weight))
        network.first.weight *= torch.arange(1.0, 33).flip(0).reshape(32, 1, 1, 1)
    smaller, report = Prune(sparsity=0.6, criterion="l1").apply(network, Context(INPUTS))
    assert torch.equal(smaller.first.weight, network.first.weight[:16])  # 13 asked, 16 stay
    assert any("channels stay to round the widths" in note for note in report.notes)


def test_by_epsilon_the_near_dead_go_as_if_they_were_zero() -> None:
    """What is kept to round the width is the largest of them, whole; the error is reported."""
    network = chain(("first", 20))
    sizes = torch.linspace(1e-5, 1e-4, 20)
    with torch.no_grad():
        network.first.weight[-20:] = sizes.reshape(20, 1, 1, 1)
    step = Prune(epsilon=1e-3)
    pruned, report = step.carry_out(network, Context(INPUTS))
    kept = pruned.kept["first.weight"][0].tolist()
    assert kept[:12] == list(range(12))
    assert kept[-3:] == [29, 30, 31]
    assert len(kept) == 16
    assert torch.equal(pruned.network.first.weight[-3:], network.first.weight[-3:])
    assert pruned.refused == 0
    assert report.residual is not None
    assert 0 < report.residual < 1e-2


def test_the_cost_of_an_outcome_is_that_of_the_cut_network() -> None:
    """Biases that the removal makes included."""
    network = chain(("first", 9), ("second", 13))
    graph = ChannelGraph(network, INPUTS)
    trial = Trial(graph, network, noise(INPUTS), Options())
    outcome = trial.outcome(trial.dead)
    pruned = prune(network, INPUTS)
    assert trial.cost(outcome).params == count_parameters(pruned.network) == pruned.cost.params
    assert pruned.trial.whole.params == count_parameters(network)


def test_a_budget_holds_with_the_carriers() -> None:
    network = chain(("first", 20), ("second", 20))
    for share in (0.2, 0.3, 0.5, 0.7):
        step = Prune(budget=Budget(params=share), round_to=1, context="global")
        pruned, _ = step.carry_out(network, Context(INPUTS))
        assert count_parameters(pruned.network) <= share * count_parameters(network)
        assert step.unmet(pruned) == ()


def test_a_budget_that_is_met_is_met_whatever_is_pinned() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)  # noqa: TID251
        network = Cbam().eval()
    step = Prune(budget=Budget(params=0.8), round_to=1, context="global")
    pruned, _ = step.carry_out(network, Context([torch.zeros(IMAGE)]))
    assert any(row.state == "pinned" for row in pruned.coverage.layers)
    assert step.unmet(pruned) == ()


def test_a_budget_that_rounding_forbids_says_so() -> None:
    with pytest.raises(RecipeError, match="round to a smaller multiple"):
        Prune(budget=Budget(params=0.2), round_to=32).apply(chain(), Context(INPUTS))


def test_one_channel_always_stays_and_it_is_the_most_important() -> None:
    network = chain()
    with torch.no_grad():
        network.first.weight[7] *= 10
    pruned = prune(network, INPUTS, lambda graph: ~graph.channels.pinned)
    assert pruned.kept["first.weight"][0].tolist() == [7]
    assert pruned.network.head.in_channels == 1


def test_a_share_that_removes_nothing_says_so() -> None:
    with pytest.raises(NoEffectError, match="less than one channel"):
        Prune(sparsity=0.0).apply(chain(), Context(INPUTS))
    with pytest.raises(NoEffectError, match="rounding keeps all"):
        Prune(sparsity=0.1).apply(chain(), Context(INPUTS))


def test_exactly_keeps_dead_channels_that_vary() -> None:
    class Border(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.deep = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.head = nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = nn.functional.pad(torch.tanh(self.deep(torch.tanh(self.stem(x)))), (1, 1, 1, 1))
            return self.head(x)

    with torch.random.fork_rng():
        torch.manual_seed(3)  # noqa: TID251
        network = Border().eval()
    with torch.no_grad():
        network.deep.weight[:4] = 0

    def dead(graph: ChannelGraph) -> Tensor:
        wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
        wanted[graph.channels_of(graph.axes_of("deep.weight")[0])[:4]] = True
        return wanted

    assert prune(network, INPUTS, dead).network.deep.out_channels == 4
    with pytest.raises(NoEffectError, match="4 dead channels are no constants"):
        prune(network, INPUTS, dead, Options(exact=True))
