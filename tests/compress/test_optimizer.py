"""Carried-over training against training the whole network with the channels that went held at zero."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import lr_scheduler as schedules

from mobilekit.compress.optimizer import carry_over, carry_scheduler
from mobilekit.compress.pruning import Pruned, listed, prune
from mobilekit.core.errors import ModelError
from tests.compress.graph.patterns import PATTERNS, Encoder, HardView, Shared
from tests.compress.graph.random_nets import every_second

CLOSE = 1e-12
"""Of the largest weight (about 1), in float64: a thousand roundings; forgotten state gives 1e-3."""
WARM, STEPS = 6, 12


class Net(nn.Module):
    """Two convolutions, a norm of batches and two linear layers; 3x6x6 images to four numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.hidden = nn.Linear(6, 10)
        self.head = nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm(self.second(F.gelu(self.first(x)))))
        return self.head(F.gelu(self.hidden(x.mean((2, 3)))))


GONE = {"first": [1, 4, 7], "second": [0, 5], "hidden": [2, 3, 9]}
A, B, C = [0, 2, 3, 5, 6], [1, 2, 3, 4], [0, 1, 4, 5, 6, 7, 8]
LEFT: dict[str, tuple[list[int] | slice, ...]] = {
    "first.weight": (A,),
    "first.bias": (A,),
    "second.weight": (B, A),
    "norm.weight": (B,),
    "norm.bias": (B,),
    "hidden.weight": (C, B),
    "hidden.bias": (C,),
    "head.weight": (slice(None), C),
    "head.bias": (),
}
"""What is left of each parameter of `Net`, by hand."""


def left(name: str, tensor: Tensor) -> Tensor:
    for dimension, indices in enumerate(LEFT[name]):
        if not isinstance(indices, slice):
            tensor = torch.stack([tensor.select(dimension, i) for i in indices], dimension)
    return tensor


def made(build: Callable[[], nn.Module] = Net) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(3)  # noqa: TID251  layers draw from the global generator
        return build().double().train()


def batches(count: int, shape: tuple[int, ...] = (3, 6, 6)) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(5)
    for _ in range(count):
        yield (
            torch.randn(5, *shape, generator=generator, dtype=torch.float64),
            torch.randn(5, 4, generator=generator, dtype=torch.float64),
        )


def step(network: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> float:
    optimizer.zero_grad()
    loss = F.mse_loss(network(batch[0]), batch[1])
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def masks(network: nn.Module) -> dict[str, Tensor]:
    """1 where something is left, 0 elsewhere, per parameter."""
    found = {}
    for name, parameter in network.named_parameters():
        mask = torch.ones_like(parameter)
        for dimension, indices in enumerate(LEFT[name]):
            if not isinstance(indices, slice):
                gone = [i for i in range(mask.shape[dimension]) if i not in indices]
                mask.index_fill_(dimension, torch.tensor(gone), 0)
        found[name] = mask
    return found


def hold(network: nn.Module, found: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.mul_(found[name])


def masked_step(network: Any, optimizer: Any, batch: Any, found: dict[str, Tensor]) -> float:
    handles = [p.register_hook(found[name].mul) for name, p in network.named_parameters()]
    loss = step(network, optimizer, batch)
    for handle in handles:
        handle.remove()
    hold(network, found)
    return loss


def pruned_of(network: nn.Module) -> Pruned:
    inputs = [torch.zeros(1, 3, 6, 6, dtype=torch.float64)]
    return prune(network, inputs, lambda graph: listed(graph, GONE))


def apart(network: nn.Module, smaller: nn.Module) -> float:
    whole = dict(network.named_parameters())
    return max(
        float((left(name, whole[name].detach()) - new.detach()).abs().max())
        for name, new in smaller.named_parameters()
    )


Make = Callable[[Any], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=1e-2),
    "nesterov": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01, weight_decay=1e-2),
    "amsgrad": lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1),
    "adamw amsgrad": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1, amsgrad=True),
    "foreach": lambda p: torch.optim.AdamW(p, 0.01, foreach=True),
    "tensor rate": lambda p: torch.optim.Adam(p, torch.tensor(0.01), foreach=False),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.005, momentum=0.9, centered=True, eps=1e-3),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.05, lr_decay=0.01),
    "adadelta": lambda p: torch.optim.Adadelta(p, 1.0),
    "adamax": lambda p: torch.optim.Adamax(p, 0.01),
    "nadam": lambda p: torch.optim.NAdam(p, 0.01),
    "radam": lambda p: torch.optim.RAdam(p, 0.01),
    "asgd": lambda p: torch.optim.ASGD(p, 0.05),
    "rprop": lambda p: torch.optim.Rprop(p, 0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_as_if_the_channels_were_held_at_zero(name: str) -> None:
    network = made()
    optimizer = OPTIMIZERS[name](network.parameters())
    data = list(batches(WARM + STEPS))
    for batch in data[:WARM]:
        step(network, optimizer, batch)
    pruned = pruned_of(network)
    smaller = pruned.network.train()
    carried = carry_over(optimizer, network, smaller, pruned.kept)
    assert type(carried) is type(optimizer)
    found = masks(network)
    hold(network, found)
    for batch in data[WARM:]:
        losses = masked_step(network, optimizer, batch, found), step(smaller, carried, batch)
        assert losses[0] == pytest.approx(losses[1], abs=CLOSE)
        assert apart(network, smaller) <= CLOSE


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "sgd"])
def test_a_fresh_optimizer_goes_elsewhere(name: str) -> None:
    """The oracle above can fail: what was learnt matters."""
    network = made()
    optimizer = OPTIMIZERS[name](network.parameters())
    data = list(batches(WARM + STEPS))
    for batch in data[:WARM]:
        step(network, optimizer, batch)
    smaller = pruned_of(network).network.train()
    fresh = OPTIMIZERS[name](smaller.parameters())
    found = masks(network)
    hold(network, found)
    for batch in data[WARM:]:
        masked_step(network, optimizer, batch, found)
        step(smaller, fresh, batch)
    assert apart(network, smaller) > 1e4 * CLOSE


Plan = Callable[[torch.optim.Optimizer], schedules.LRScheduler]


class Tenth:
    """A callable with a state of its own."""

    def __init__(self) -> None:
        self.factor = 0.9

    def __call__(self, epoch: int) -> float:
        return self.factor**epoch


def sequential(o: torch.optim.Optimizer) -> schedules.LRScheduler:
    parts = [schedules.LinearLR(o, 0.1, total_iters=4), schedules.ExponentialLR(o, 0.9)]
    return schedules.SequentialLR(o, parts, milestones=[4])


SCHEDULES: dict[str, Plan] = {
    "one cycle": lambda o: schedules.OneCycleLR(o, 0.1, total_steps=WARM + STEPS),
    "lambda": lambda o: schedules.LambdaLR(o, lambda epoch: 0.9**epoch),
    "callable": lambda o: schedules.LambdaLR(o, Tenth()),
    "cosine": lambda o: schedules.CosineAnnealingLR(o, WARM + STEPS),
    "restarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 5),
    "cyclic": lambda o: schedules.CyclicLR(o, 0.01, 0.1, step_size_up=4, mode="exp_range"),
    "step": lambda o: schedules.StepLR(o, 4),
    "sequential": sequential,
    "chained": lambda o: schedules.ChainedScheduler(
        [schedules.ConstantLR(o, 0.5, 8), schedules.ExponentialLR(o, 0.95)], o
    ),
    "plateau": lambda o: schedules.ReduceLROnPlateau(o, patience=1, threshold=0.2),
}


def turn(scheduler: schedules.LRScheduler, loss: float) -> None:
    if isinstance(scheduler, schedules.ReduceLROnPlateau):
        scheduler.step(loss)
    else:
        scheduler.step()


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warm", [0, WARM])
def test_schedules_go_on(name: str, warm: int) -> None:
    network = made()
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9)
    scheduler = SCHEDULES[name](optimizer)
    data = list(batches(warm + STEPS))
    for batch in data[:warm]:
        turn(scheduler, step(network, optimizer, batch))
    pruned = pruned_of(network)
    smaller = pruned.network.train()
    found = masks(network)
    state = copy.deepcopy(scheduler.state_dict())
    carried = carry_over(optimizer, network, smaller, pruned.kept)
    follower = carry_scheduler(scheduler, carried)
    assert type(follower) is type(scheduler)
    assert follower.optimizer is carried
    assert scheduler.optimizer is optimizer
    hold(network, found)
    rates = []
    for batch in data[warm:]:
        turn(scheduler, masked_step(network, optimizer, batch, found))
        turn(follower, step(smaller, carried, batch))
        assert follower.get_last_lr() == pytest.approx(scheduler.get_last_lr(), rel=1e-12)
        assert carried.param_groups[0]["lr"] == pytest.approx(optimizer.param_groups[0]["lr"])
        assert apart(network, smaller) <= CLOSE
        rates.append(follower.get_last_lr()[0])
    assert len(set(rates)) > 1
    assert state != scheduler.state_dict()  # the old one went on by itself


def test_carrying_a_scheduler_changes_neither_rates_nor_the_old_one() -> None:
    network = made()
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9)
    scheduler = schedules.OneCycleLR(optimizer, 0.1, total_steps=20)
    for batch in batches(3):
        step(network, optimizer, batch)
        scheduler.step()
    pruned = pruned_of(network)
    before, groups = scheduler.state_dict(), copy.deepcopy(optimizer.state_dict()["param_groups"])
    carried = carry_over(optimizer, network, pruned.network, pruned.kept)
    carry_scheduler(scheduler, carried)
    assert scheduler.state_dict() == before
    assert optimizer.state_dict()["param_groups"] == groups
    assert carried.state_dict()["param_groups"] == groups


def groups_of(network: Net) -> list[dict[str, Any]]:
    norms = list(network.norm.parameters())
    return [
        {"params": [p for p in network.parameters() if all(p is not n for n in norms)], "lr": 0.02},
        {"params": norms, "weight_decay": 0.0, "tag": "norms"},
    ]


def test_groups_keep_their_options_and_their_order() -> None:
    network = made()
    optimizer = torch.optim.AdamW(groups_of(network), 0.01, weight_decay=0.3)
    data = list(batches(WARM + STEPS))
    for batch in data[:WARM]:
        step(network, optimizer, batch)
    pruned = pruned_of(network)
    smaller = pruned.network.train()
    carried = carry_over(optimizer, network, smaller, pruned.kept)
    first, second = carried.param_groups
    assert (first["lr"], first["weight_decay"]) == (0.02, 0.3)
    assert (second["lr"], second["weight_decay"], second["tag"]) == (0.01, 0.0, "norms")
    assert second["params"][0] is smaller.norm.weight
    assert second["params"][1] is smaller.norm.bias
    expected = [p for name, p in smaller.named_parameters() if "norm" not in name]
    assert all(one is two for one, two in zip(first["params"], expected, strict=True))
    found = masks(network)
    hold(network, found)
    for batch in data[WARM:]:
        masked_step(network, optimizer, batch, found)
        step(smaller, carried, batch)
    assert apart(network, smaller) <= CLOSE


def test_the_old_optimizer_is_left_as_found() -> None:
    network = made()
    optimizer = torch.optim.Adam(network.parameters(), 0.01, amsgrad=True)
    for batch in batches(WARM):
        step(network, optimizer, batch)
    before, weights = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(network.state_dict())
    pruned = pruned_of(network)
    carried = carry_over(optimizer, network, pruned.network, pruned.kept)
    for batch in batches(STEPS):
        step(pruned.network.train(), carried, batch)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for number, state in before["state"].items():
        assert all(torch.equal(value, after["state"][number][key]) for key, value in state.items())
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in weights.items())


def test_the_state_loads_into_a_fresh_optimizer() -> None:
    network = made()
    optimizer = torch.optim.AdamW(network.parameters(), 0.01, amsgrad=True)
    for batch in batches(WARM):
        step(network, optimizer, batch)
    pruned = pruned_of(network)
    smaller = pruned.network.train()
    carried = carry_over(optimizer, network, smaller, pruned.kept)
    twin = copy.deepcopy(smaller)
    fresh = torch.optim.AdamW(twin.parameters(), 0.5)
    fresh.load_state_dict(copy.deepcopy(carried.state_dict()))
    for batch in batches(3):
        step(smaller, carried, batch)
        step(twin, fresh, batch)
    for one, two in zip(smaller.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, two)


def test_frozen_and_foreign_parameters() -> None:
    """Frozen ones outside stay outside; a loss's own parameter stays itself, with its state."""
    network = made()
    network.first.requires_grad_(False)
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam([{"params": trained}, {"params": [weight]}], 0.01)
    for x, y in batches(WARM):
        optimizer.zero_grad()
        (weight * F.mse_loss(network(x), y)).sum().backward()
        optimizer.step()
    pruned = pruned_of(network)
    carried = carry_over(optimizer, network, pruned.network, pruned.kept)
    held = [p for group in carried.param_groups for p in group["params"]]
    assert not any(p is pruned.network.first.weight for p in held)
    assert len(held) == len(trained) + 1
    assert carried.param_groups[1]["params"][0] is weight
    assert torch.equal(carried.state[weight]["exp_avg"], optimizer.state[weight]["exp_avg"])
    assert carried.state[weight]["exp_avg"] is not optimizer.state[weight]["exp_avg"]


def test_named_parameters_keep_their_names() -> None:
    network = made()
    optimizer = torch.optim.SGD(network.named_parameters(), 0.05)
    pruned = pruned_of(network)
    carried = carry_over(optimizer, network, pruned.network, pruned.kept)
    assert carried.param_groups[0]["param_names"] == [n for n, _ in network.named_parameters()]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("make", [OPTIMIZERS["adamw"], OPTIMIZERS["adagrad"]])
def test_a_new_bias_begins_in_the_group_of_its_weight(make: Make, named: bool) -> None:
    """Behind a dead filter with a bias, an unpadded convolution without one gets one."""

    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.second = nn.Conv2d(8, 6, 3, bias=False)
            self.head = nn.Conv2d(6, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(F.relu(self.second(F.gelu(self.first(x))))).mean((2, 3))

    network = made(Bare)
    parts = [network.first, network.second, network.head]
    groups: Any = [
        {"params": list(part.named_parameters() if named else part.parameters()), "lr": 0.01 * k}
        for k, part in enumerate(parts, 1)
    ]
    optimizer = make(groups)
    for batch in batches(WARM):
        step(network, optimizer, batch)
    with torch.no_grad():
        network.first.weight[[2, 5]] = 0
    pruned = prune(network, [torch.zeros(1, 3, 6, 6, dtype=torch.float64)])
    assert set(pruned.biases) == {"second.bias"}
    smaller: Any = pruned.network.train()
    carried = carry_over(optimizer, network, smaller, pruned.kept)
    group = carried.param_groups[1]
    assert group["lr"] == 0.02
    assert len(group["params"]) == 2
    assert group["params"][0] is smaller.second.weight
    assert group["params"][1] is smaller.second.bias
    assert "exp_avg" not in carried.state[smaller.second.bias]
    old = smaller.second.bias.detach().clone()
    for batch in batches(2):
        step(smaller, carried, batch)
    assert not torch.equal(smaller.second.bias, old)


@pytest.mark.parametrize("build", [HardView, Encoder])
def test_a_traced_network_is_matched_by_the_same_names(build: Callable[[], nn.Module]) -> None:
    """Numbers in the code, and multi-head attention in plain layers."""
    network = made(build)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    shape = PATTERNS["multi-head attention"][1]
    generator = torch.Generator().manual_seed(1)
    for _ in range(2):
        optimizer.zero_grad()
        x = torch.randn(2, *shape[1:], generator=generator, dtype=torch.float64)
        network(x).square().mean().backward()
        optimizer.step()
    pruned = prune(network, [torch.zeros(shape, dtype=torch.float64)], every_second)
    smaller: Any = pruned.network
    assert isinstance(smaller, torch.fx.GraphModule)
    carried = carry_over(optimizer, network, smaller, pruned.kept)
    whole, new = dict(network.named_parameters()), dict(smaller.named_parameters())
    assert whole.keys() == new.keys()
    assert len(carried.state) == len(new)
    marked = copy.deepcopy(network)
    for name, parameter in marked.named_parameters():  # the state, put where the weights are
        parameter.data = optimizer.state[whole[name]]["exp_avg"].clone()
    expected = prune(marked, [torch.zeros(shape, dtype=torch.float64)], every_second)
    for name, parameter in expected.network.named_parameters():
        assert torch.equal(carried.state[new[name]]["exp_avg"], parameter)


def test_a_traced_network_drops_what_it_never_used() -> None:
    class Spare(HardView):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Linear(3, 3)

    network = made(Spare)
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    inputs = [torch.zeros(1, 3, 32, 32, dtype=torch.float64)]
    pruned = prune(network, inputs, every_second)
    carried = carry_over(optimizer, network, pruned.network, pruned.kept)
    assert len(carried.param_groups[0]["params"]) == len(list(pruned.network.parameters()))


def test_shared_parameters_are_carried_once() -> None:
    network = made(Shared)
    network.again = network.twice  # a second name
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    network(x).square().mean().backward()
    optimizer.step()
    pruned = prune(network, [x], every_second)
    carried = carry_over(optimizer, network, pruned.network, pruned.kept)
    held = carried.param_groups[0]["params"]
    assert len(held) == len(optimizer.param_groups[0]["params"])
    state = carried.state[pruned.network.twice.weight]["momentum_buffer"]
    rows = optimizer.state[network.twice.weight]["momentum_buffer"]
    kept = next(
        cut for name, cut in pruned.kept.items() if name in {"twice.weight", "again.weight"}
    )
    assert torch.equal(state, rows[kept[0]][:, kept[1]])


def test_a_second_pruning_is_carried_too() -> None:
    network = made()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for batch in batches(3):
        step(network, optimizer, batch)
    once = pruned_of(network)
    carried = carry_over(optimizer, network, once.network, once.kept)
    inputs = [torch.zeros(1, 3, 6, 6, dtype=torch.float64)]
    twice = prune(once.network, inputs, lambda graph: listed(graph, {"hidden": [0]}))
    again = carry_over(carried, once.network, twice.network, twice.kept)
    old, new = network.hidden.weight, twice.network.hidden.weight
    expected = optimizer.state[old]["exp_avg"][C[1:]][:, B]
    assert torch.equal(again.state[new]["exp_avg"], expected)


class Custom(torch.optim.AdamW):
    """One whose options go through."""

    def __init__(self, params: Any, **options: Any) -> None:
        super().__init__(params, **options)


class Closed(torch.optim.SGD):
    """One that takes something that is no option."""

    def __init__(self, params: Any, secret: int) -> None:
        super().__init__(params, 0.1 * secret)


def test_classes_of_ones_own() -> None:
    network = made()
    pruned = pruned_of(network)
    optimizer = Custom(network.parameters(), lr=0.3, betas=(0.5, 0.6))
    optimizer.state[network.head.bias]["seen"] = {"a": [1]}  # not cut, so anything goes
    carried = carry_over(optimizer, network, pruned.network, pruned.kept)
    assert type(carried) is Custom
    assert carried.defaults == optimizer.defaults
    assert carried.state[pruned.network.head.bias] == {"seen": {"a": [1]}}
    closed = Closed(network.parameters(), 2)
    with pytest.raises(ModelError, match=r"^Closed: cannot be made from its options: .*secret"):
        carry_over(closed, network, pruned.network, pruned.kept)


def test_state_that_cannot_be_cut_is_refused() -> None:
    network = made()
    pruned = pruned_of(network)
    flat = torch.optim.LBFGS(network.parameters())
    with pytest.raises(ModelError, match=r"^LBFGS: its state is one vector"):
        carry_over(flat, network, pruned.network, pruned.kept)
    factors = torch.optim.Adafactor(network.parameters())
    step(network, factors, next(batches(1)))
    with pytest.raises(ModelError, match=r"^Adafactor: state 'row_var' is of shape \[8, 3, 3, 1\]"):
        carry_over(factors, network, pruned.network, pruned.kept)
    odd = torch.optim.SGD(network.parameters(), 0.1)
    odd.state[network.first.weight]["seen"] = [1]
    with pytest.raises(ModelError, match=r"^SGD: state 'seen' is a list"):
        carry_over(odd, network, pruned.network, pruned.kept)


def test_other_networks_are_refused() -> None:
    network, other = made(), made()
    pruned = pruned_of(network)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with pytest.raises(ModelError, match=r"^SGD: holds no parameter of the network before"):
        carry_over(optimizer, other, pruned.network, pruned.kept)
    with pytest.raises(ModelError, match=r"^first.weight: the indices that are kept make \[8,"):
        carry_over(optimizer, network, pruned.network, {})
    other.norm = nn.Identity()
    with pytest.raises(ModelError, match=r"^norm.weight: the pruned network has no such parameter"):
        carry_over(optimizer, network, other, {})
    other = made()
    other.extra = nn.Linear(2, 2)
    with pytest.raises(ModelError, match=r"^extra.weight: a new parameter without a weight"):
        carry_over(optimizer, network, other, {})


def test_schedulers_of_others_are_refused() -> None:
    network = made()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    scheduler = schedules.StepLR(optimizer, 2)
    grouped = torch.optim.SGD(groups_of(network), 0.1)
    with pytest.raises(ModelError, match=r"^StepLR: is of SGD with 1 groups, not of SGD with 2"):
        carry_scheduler(scheduler, grouped)
    with pytest.raises(ModelError, match=r"^object: has no optimizer"):
        carry_scheduler(object(), optimizer)  # type: ignore[arg-type]
    scheduler.odd = (x for x in ())
    with pytest.raises(ModelError, match=r"^StepLR: cannot be copied: "):
        carry_scheduler(scheduler, torch.optim.SGD(network.parameters(), 0.1))
