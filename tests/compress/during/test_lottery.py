"""After each round all that trained is what it was, times the mask."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Context
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.lottery import Drawing, Lottery
from mobilekit.core.errors import ModelError, RecipeError
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import drawn, rich

State = dict[str, Tensor]


class Watch:
    """Weights and the optimizer's memory after each step."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.weights: list[State] = [copy.deepcopy(network.state_dict())]
        self.memory: list[dict[str, dict[str, Any]]] = [{}]

    def __call__(self, _step: int, optimizer: Optimizer) -> None:
        self.weights.append(copy.deepcopy(self.network.state_dict()))
        named = self.network.named_parameters()
        self.memory.append({
            name: copy.deepcopy(dict(optimizer.state[each]))
            for name, each in named
            if each in optimizer.state
        })  # fmt: skip


def check_rewound(watch: Watch, step: int, back: int) -> None:
    """Compare with what was after step `back`, times what is kept now."""
    masks = {name: watch.weights[step][name] != 0 for name in ("0.weight", "3.weight", "7.weight")}
    for name, value in watch.weights[step].items():
        expected = watch.weights[back][name]
        if name in masks:
            expected = expected * masks[name]
        assert torch.equal(value, expected), (step, name)
    assert watch.memory[step].keys() == watch.memory[back].keys()
    for name, kept in watch.memory[step].items():
        for key, value in kept.items():
            expected = watch.memory[back][name][key]
            if name in masks and value.shape == masks[name].shape:
                expected = expected * masks[name]
            assert torch.equal(value, expected), (step, name, key)


def sgd(parameters: list[nn.Parameter]) -> Optimizer:
    return torch.optim.SGD(parameters, 0.05, momentum=0.9)


@pytest.mark.parametrize("make", [None, sgd], ids=["adam", "momentum"])
@pytest.mark.parametrize("back", [0, 2])
def test_each_round_goes_back_exactly(back: int, make: Any) -> None:
    network = rich()
    watch = Watch(network)
    method = Lottery(sparsity=0.75, rounds=2, rewind_at=back / 12)
    options = {} if make is None else {"make": make}
    _, notes = run(network, [method], 12, each=watch, **options)
    total = 72 + 576 + 384
    zeros = [
        sum(int((state[name] == 0).sum()) for name in ("0.weight", "3.weight", "7.weight"))
        for state in watch.weights
    ]
    assert zeros == [0] * 4 + [total // 2] * 4 + [total * 3 // 4] * 5
    check_rewound(watch, 4, back)
    check_rewound(watch, 8, back)
    alive = watch.weights[8]["3.weight"] != 0
    assert bool((watch.weights[12]["3.weight"] != watch.weights[8]["3.weight"])[alive].any())
    assert not torch.equal(watch.weights[12]["1.running_mean"], watch.weights[8]["1.running_mean"])
    assert notes[0] == f"lottery: 2 rounds, {total * 3 // 4:,} of {total:,} groups are zero"


def teacher() -> nn.Module:
    network = nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.SiLU(), nn.Flatten(), nn.Linear(432, 3)
    )
    return drawn(network, 3)


class Adapted(Watch):
    """What trains beside the network, instead of the network."""

    def __init__(self) -> None:
        super().__init__(nn.ModuleList())

    def meet(self, acting: Acting) -> None:
        self.network = acting.modules()
        self.weights = [copy.deepcopy(self.network.state_dict())]


@pytest.mark.parametrize("back", [0, 2])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("method", "names"),
    [
        (Distill(features="fitnet", pairs={"0": "0"}), {"0.0.weight"}),
        (Distill(loss="mutual"), {"1.0.0.weight", "1.0.1.running_mean", "1.0.4.weight"}),
    ],
    ids=["adapter", "peer"],
)
def test_what_trains_beside_goes_back_too(
    method: Distill, names: set[str], first: bool, back: int
) -> None:
    """An adapter, and a peer with its batch-norm statistics; whichever method stands first."""
    network, watch = rich(), Adapted()
    lottery = Lottery(sparsity=0.5, rounds=1, rewind_at=back / 8)
    context = Context(INPUTS, original=teacher())
    methods = [method, lottery] if first else [lottery, method]
    run(network, methods, 8, each=watch, context=context, started=watch.meet)
    assert names <= watch.weights[0].keys()
    for name, value in watch.weights[4].items():
        assert torch.equal(value, watch.weights[back][name]), name
    for name in names:
        assert not torch.equal(watch.weights[3][name], watch.weights[4][name]), name
    assert watch.memory[4].keys() == watch.memory[back].keys()
    for name, kept in watch.memory[4].items():
        for key, value in kept.items():
            assert torch.equal(value, watch.memory[back][name][key]), (name, key)


def test_a_checkpoint_carries_what_trains_beside() -> None:
    def started(seed: int) -> Acting:
        methods = [Distill(features="fitnet", pairs={"0": "0"}), Lottery(rounds=1)]
        acting = Acting(rich(seed), methods, Context(INPUTS, original=teacher()))
        with torch.no_grad():
            for each in acting.parameters():
                each.add_(seed)  # trained since
        return acting

    one, two = started(1), started(2)
    first = [each.clone() - 1 for each in one.parameters()]
    two.load_state_dict(one.state_dict())
    two.after_step(0.5)
    for each, expected in zip(two.parameters(), first, strict=True):
        torch.testing.assert_close(each, expected)
    lone = Acting(rich(), [Lottery(rounds=1)], Context(INPUTS)).state_dict()
    state = one.state_dict()
    state["methods"]["1"] = lone["methods"]["0"]
    with pytest.raises(ModelError, match="lottery: the checkpoint is of other methods beside it"):
        two.load_state_dict(state)


def test_filters_can_be_drawn() -> None:
    network = rich()
    acting, notes = run(network, [Lottery(sparsity=0.5, rounds=1, granularity="filter")], 4)
    zero = sum(
        int(layer.weight.flatten(1).any(1).logical_not().sum())
        for layer in (network[0], network[3])
    )
    assert zero == 8
    assert notes == ("lottery: 1 rounds, 8 of 16 groups are zero",)
    assert acting.figures()["round"] == 1.0


def test_point_behind_the_first_part_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"rewind_at 0\.3 lies behind the first of 4 parts"):
        Lottery(rewind_at=0.3).start(rich(), Context(INPUTS))


def test_state_of_another_network_is_refused() -> None:
    handle = Lottery().start(rich(), Context(INPUTS))
    state = handle.state_dict()
    del state["weights"]["0.weight"]
    with pytest.raises(ModelError, match="lottery: the checkpoint is of another network"):
        handle.load_state_dict(state)


def test_rewinding_restores_what_a_checkpoint_carried() -> None:
    """A handle that took over a state goes back to the state's weights, not to its own beginning."""
    first, second = rich(1), rich(2)
    one = Acting(first, [Lottery(rounds=1)], Context(INPUTS))
    two = Acting(second, [Lottery(rounds=1)], Context(INPUTS))
    two.load_state_dict(one.state_dict())
    two.after_step(0.5)
    (handle,) = two.handles
    assert isinstance(handle, Drawing)
    assert handle.round == 1
    kept = second[3].weight != 0
    assert torch.equal(second[3].weight, first[3].weight * kept)
    assert 0 < int(kept.sum()) < kept.numel()
