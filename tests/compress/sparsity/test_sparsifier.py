"""What goes: exact counts, the right ones, and once gone for good."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from mobilekit.compress.sparsity import sparsifier as module
from mobilekit.compress.sparsity.comparisons import comparisons
from mobilekit.compress.sparsity.criteria import criterion
from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.roles import Scale
from mobilekit.compress.sparsity.schedule import schedule
from mobilekit.compress.sparsity.sparsifier import Sparsifier
from mobilekit.core.errors import ModelError


def make(
    network: nn.Module,
    sparsity: float,
    granularity: str = "weight",
    context: Any = "local",
    by: str = "large_final",
    **options: Any,
) -> Sparsifier:
    groups = groups_of(network, granularity)
    cost = options.pop("cost", "none")
    return Sparsifier(
        groups, comparisons(groups, context, sparsity, {}, cost), criterion(by), **options
    )


def filled(network: nn.Module, seed: int = 0, values: Sequence[float] = ()) -> nn.Module:
    """Fill the weights with numbers of very different scales, or with few values, so that many tie."""
    rng = np.random.default_rng(seed)
    for k, weight in enumerate(network.parameters()):
        shape = tuple(weight.shape)
        drawn = rng.choice(values, shape) if values else rng.normal(size=shape) * 10.0 ** (k - 2)
        weight.data.copy_(torch.from_numpy(drawn))
    return network


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.Conv2d(8, 8, 3, groups=8, bias=False),
        nn.Conv2d(8, 6, (1, 2), groups=2, bias=False),
        nn.ConvTranspose2d(6, 4, 2, groups=2, bias=False),
    )


def zeros(network: nn.Module) -> int:
    return sum(int((weight == 0).sum()) for weight in network.parameters())


def means(network: nn.Module, granularity: str) -> list[np.ndarray]:
    """Return each group's mean magnitude, by loops over the groups' rows."""
    found = []
    for group in groups_of(network, granularity):
        rows = group.rows(group.view().detach().double()).numpy()
        found.append(np.array([np.mean(np.abs(row)) for row in rows]))
    return found


GRANULARITIES = st.sampled_from(["weight", "kernel", "filter", "row", "channel", "shared_kernel"])


@settings(deadline=None, max_examples=60)
@given(
    GRANULARITIES,
    st.sampled_from(["local", "global"]),
    st.integers(0, 99),
    st.integers(0, 3),
    st.sampled_from([(), (0.0, 1.0, -1.0)]),
    st.integers(0, 99),
)
def test_exactly_the_lowest_go(
    granularity: str, context: str, percent: int, least: int, values: tuple[float, ...], seed: int
) -> None:
    network = filled(small(), seed, values)
    before = means(network, granularity)
    made = make(network, percent / 100, granularity, context, least=least)
    made.update(1.0)
    least = 0 if granularity == "weight" else least
    parts = [[k] for k in range(4)] if context == "local" else [[0, 1, 2, 3]]
    for part in parts:
        total = sum(len(before[k]) for k in part)
        stay = sum(min(least, len(before[k])) for k in part)
        dead = [made.dead[k].numpy() for k in part]
        assert sum(int(each.sum()) for each in dead) == min(percent * total // 100, total - stay)
        assert all(int((~each).sum()) >= min(least, len(each)) for each in dead)
        gone = np.concatenate([before[k][each] for k, each in zip(part, dead, strict=True)])
        kept = [np.sort(before[k][~each]) for k, each in zip(part, dead, strict=True)]
        free = np.concatenate([each[: len(each) - least] if least else each for each in kept])
        assert not len(gone) or not len(free) or gone.max() <= free.min() * (1 + 1e-5)
    after = means(network, granularity)
    for one, two, dead_ in zip(before, after, made.dead, strict=True):
        np.testing.assert_array_equal(two, np.where(dead_.numpy(), 0, one))


def test_half_of_64_filters_are_32() -> None:
    network = nn.Conv2d(3, 64, 3)
    made = make(network, 0.5, "filter")
    made.update(1.0)
    assert int((network.weight.flatten(1) == 0).all(1).sum()) == 32
    assert made.count == (32, 64)
    assert made.most == 32
    assert made.sparsity == 0.5


@pytest.mark.parametrize("by", ["random", "large_final", "small_final", "movement"])
@pytest.mark.parametrize("granularity", ["weight", "filter", "kernel"])
def test_a_global_sparsity_is_met_whatever_the_criterion(by: str, granularity: str) -> None:
    network = filled(small())
    made = make(network, 0.6, granularity, "global", by)
    made.update(1.0)
    gone, total = made.count
    assert gone == 6 * total // 10
    assert sum(int((group.rows(group.view()) == 0).all(1).sum()) for group in made.groups) == gone


def test_equal_weights_go_from_the_end() -> None:
    network = nn.Linear(4, 2, bias=False)
    nn.init.ones_(network.weight)
    make(network, 0.5).update(1.0)
    assert network.weight.tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize("granularity", ["weight", "filter"])
@pytest.mark.parametrize("by", ["large_final", "small_final", "random", "updating_movement"])
@pytest.mark.parametrize("context", ["local", "global"])
def test_what_is_gone_stays_gone_while_the_share_grows(
    granularity: str, by: str, context: str
) -> None:
    network = filled(small())
    made = make(network, 0.8, granularity, context, by)
    rng = np.random.default_rng(1)
    before = [dead.clone() for dead in made.dead]
    for share in (0.0, 0.2, 0.21, 0.6, 0.6, 1.0):
        made.update(share)
        assert all(bool((now | ~old).all()) for now, old in zip(made.dead, before, strict=True))
        before = [dead.clone() for dead in made.dead]
        for weight in network.parameters():  # all weights move, the dead ones too
            weight.data += torch.from_numpy(rng.normal(size=tuple(weight.shape)))
        made.apply()
        assert all(
            bool((group.rows(group.view())[dead] == 0).all())
            for group, dead in zip(made.groups, made.dead, strict=True)
        )
    assert made.count[0] == made.most


def test_dense_sparse_dense_lets_all_grow_again() -> None:
    network = filled(small())
    made = make(network, 0.7, "kernel", "global")
    when = schedule("dense_sparse_dense")
    counts = []
    for progress in np.linspace(0, 1, 11):
        made.update(when(float(progress)))
        counts.append(made.count[0])
    total = made.count[1]
    assert counts == [int(0.7 * np.sin(np.pi * k / 10) ** 2 * total + 1e-9) for k in range(11)]
    assert counts[5] == 7 * total // 10
    assert counts[-1] == 0
    assert not any(bool(dead.any()) for dead in made.dead)


def test_what_is_released_was_gone_and_none_else_goes() -> None:
    network = filled(small())
    made = make(network, 0.8, "weight", "global")
    made.update(1.0)
    before = [dead.clone() for dead in made.dead]
    assert made.update(0.5)
    assert all(bool((old | ~now).all()) for now, old in zip(made.dead, before, strict=True))


def test_update_says_whether_anything_changed() -> None:
    made = make(filled(small()), 0.5)
    assert not made.update(0.0)
    assert made.update(0.5)
    assert not made.update(0.5)
    assert made.update(1.0)


def test_globally_the_layer_of_small_weights_goes_but_for_the_least() -> None:
    network = nn.Sequential(nn.Conv2d(4, 30, 3, bias=False), nn.Conv2d(30, 4, 1, bias=False))
    nn.init.normal_(network[0].weight, std=1, generator=torch.Generator().manual_seed(0))
    nn.init.normal_(network[1].weight, std=1e-6, generator=torch.Generator().manual_seed(0))
    for least, kept in ((1, 1), (3, 3), (0, 0)):
        made = make(network, 0.5, "filter", "global", least=least)
        made._compare(made.comparisons[0], 0.5)
        assert int((~made.dead[1]).sum()) == kept
        assert made.count[0] == 17


def test_the_least_that_stay_are_the_most_important() -> None:
    network = nn.Conv2d(1, 4, 1, bias=False)  # filters of one weight are filters
    network.weight.data = torch.tensor([1.0, 4.0, -5.0, 2.0]).view(4, 1, 1, 1)
    make(network, 0.99, "filter", least=2).update(1.0)
    assert network.weight.flatten().tolist() == [0, 4, -5, 0]
    make(network, 0.99, "weight", least=2).update(1.0)
    assert network.weight.flatten().tolist() == [0, 0, -5, 0]


@pytest.mark.parametrize("by", ["large_final", "small_final", "magnitude_increase"])
def test_of_equal_scores_the_dearer_goes_first(by: str) -> None:
    """Also where scores are below zero, which a division would raise."""
    network = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False), nn.Conv2d(4, 4, 3, bias=False))
    for weight in network.parameters():
        nn.init.constant_(weight, 2.0)
    made = make(network, 0.375, "filter", "global", by, cost="params")
    for weight in network.parameters():
        nn.init.constant_(weight, 1.0)  # smaller than it was
    made.update(1.0)
    assert [int(dead.sum()) for dead in made.dead] == [0, 3]


def test_costs_weigh_scores() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 1, bias=False), nn.Conv2d(3, 3, 2, bias=False))
    network[0].weight.data = (
        torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1).expand(3, 2, 1, 1).clone()
    )
    network[1].weight.data = (
        torch.tensor([5.0, 9.0, 30.0]).view(3, 1, 1, 1).expand(3, 3, 2, 2).clone()
    )
    made = make(network, 0.5, "filter", "global", cost="params")
    made.update(1.0)  # 1/2, 1, 3/2; 5/12, 9/12, 30/12
    assert [dead.tolist() for dead in made.dead] == [[True, False, False], [True, True, False]]


def test_updating_criteria_look_back_to_the_last_pruning() -> None:
    def run(by: str) -> list[bool]:
        layer = nn.Linear(4, 1, bias=False)
        layer.weight.data = torch.tensor([[1.0, 1.0, 1.0, 1.0]])
        made = make(layer, 0.5, by=by)
        layer.weight.data = torch.tensor([[1.0, 9.0, 5.0, 6.0]])
        made.update(0.5)  # the first has not moved
        layer.weight.data = torch.tensor([[0.0, 9.1, 8.0, 6.3]])
        made.update(1.0)
        return made.dead[0].tolist()

    assert run("movement") == [True, False, False, True]
    assert run("updating_movement") == [True, True, False, False]


WAS, IS = np.array([4.0, -2.0, 3.0, 1.0]), np.array([1.5, -5.0, 8.0, 1.75])
OF_WHAT_WAS = {
    "large_init": abs(WAS),
    "small_init": -abs(WAS),
    "large_final": abs(IS),
    "squared_final": IS**2,
    "large_init_large_final": np.minimum(abs(WAS), abs(IS)),
    "small_init_small_final": -np.maximum(abs(WAS), abs(IS)),
    "magnitude_increase": abs(IS) - abs(WAS),
    "movement": abs(IS - WAS),
    "mov_large_final": abs(IS * (IS - WAS)),
    "mov_mag": abs(abs(IS) - abs(WAS)),
}


@pytest.mark.parametrize("by", OF_WHAT_WAS)
@pytest.mark.parametrize("granularity", ["weight", "row"])
def test_criteria_of_what_weights_were(by: str, granularity: str) -> None:
    layer = nn.Linear(1, 4, bias=False)
    layer.weight.data = torch.tensor(WAS).unsqueeze(1)
    made = make(layer, 0.5, granularity, by=by)
    layer.weight.data = torch.tensor(IS).unsqueeze(1)
    made.update(1.0)
    gone = made.dead[0].nonzero().squeeze(1).tolist()
    assert gone == sorted(np.argsort(OF_WHAT_WAS[by])[:2].tolist())


@pytest.mark.parametrize("by", ["taylor", "gradient"])
@pytest.mark.parametrize("granularity", ["weight", "filter", "kernel"])
def test_criteria_of_gradients(by: str, granularity: str) -> None:
    network = filled(small())
    made = make(network, 0.4, granularity, by=by)
    with pytest.raises(ModelError, match=rf"0: {by} needs gradients, and there are none"):
        made.update(1.0)
    image = torch.randn(2, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    network(image).square().sum().backward()
    wanted = []
    for group in made.groups:
        slope, weight = group.weight.grad, group.weight.detach()
        scores = (slope * weight if by == "taylor" else slope).abs().double()
        rows = group.rows(group.view(scores)).numpy().mean(1)
        dead = np.zeros(len(rows), dtype=bool)
        dead[np.argsort(rows)[: int(0.4 * len(rows) + 1e-9)]] = True
        wanted.append(dead.tolist())
    made.update(1.0)
    assert [dead.tolist() for dead in made.dead] == wanted


def test_filters_near_to_the_others_go_first() -> None:
    layer = nn.Conv2d(1, 5, 1, bias=False)
    layer.weight.data = torch.tensor([0.0, 10.0, 11.0, 12.0, 30.0]).view(5, 1, 1, 1)
    make(layer, 0.4, "filter", by="fpgm").update(1.0)
    assert layer.weight.flatten().tolist() == [0, 10, 0, 0, 30]  # 33 and 35; the others 63, 34, 87


def test_the_scale_of_a_batch_norm_is_the_one_of_now() -> None:
    layer, norm = nn.Conv2d(1, 4, 1, bias=False), nn.BatchNorm2d(4)
    places = torch.tensor([3, 2, 1, 0])
    made = make(
        layer, 0.5, "filter", by="batch_norm_scale", scales={"weight": Scale(norm.weight, places)}
    )
    norm.weight.data = torch.tensor([-9.0, 1.0, -0.5, 3.0])
    made.update(1.0)
    assert made.dead[0].tolist() == [False, True, True, False]
    with pytest.raises(ModelError, match="weight: batch_norm_scale needs a batch norm behind it"):
        make(layer, 0.5, "filter", by="batch_norm_scale").update(1.0)


class Ranked:
    """Clusters that note the scores they are given, and give other ones."""

    def __init__(self, given: list[float]) -> None:
        self.given, self.seen = given, []

    def apart(self, _: object, scores: Tensor) -> Tensor:
        self.seen.append(scores.tolist())
        return torch.tensor(self.given, dtype=torch.float64)


def test_within_clusters_the_dead_beat_nobody() -> None:
    layer = nn.Conv2d(1, 4, 1, bias=False)
    layer.weight.data = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1, 1)
    clusters = Ranked([4.0, 3.0, 2.0, 1.0])
    made = make(layer, 0.5, "filter", by="small_final", clusters=clusters)
    made.update(0.5)
    assert made.dead[0].tolist() == [False, False, False, True]
    clusters.given = [2.0, 3.0, 1.0, 9.0]  # what is dead stays so, whatever its place
    made.update(1.0)
    assert made.dead[0].tolist() == [False, False, True, True]
    assert clusters.seen == [[-1, -2, -3, -4], [-1, -2, -3, -torch.inf]]


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(["2:4", "1:4", "1:3", "3:4", "1:2"]),
    st.sampled_from(["large_final", "random", "small_final"]),
    st.sampled_from([(), (0.0, 1.0, -1.0)]),
    st.integers(0, 99),
)
def test_of_each_block_n_stay(block: str, by: str, values: tuple[float, ...], seed: int) -> None:
    kept, size = int(block[0]), int(block[2])
    network = nn.Sequential(
        nn.Conv2d(2 * size, 3, 2, bias=False),
        nn.ConvTranspose2d(2 * size, 4, 2, groups=2, bias=False),
    )
    filled(network, seed, values)
    before = [weight.detach().clone() for weight in network.parameters()]
    made = make(network, 1 - kept / size, block, by=by)
    assert made.most == sum(weight.numel() for weight in before) // size * (size - kept)
    made.update(0.6)
    early = [dead.clone() for dead in made.dead]
    made.update(1.0)
    assert made.count[0] == made.most
    for dimension, old, new, dead, first in zip(
        (1, 0), before, network.parameters(), made.dead, early, strict=True
    ):
        rows, after = (
            each.detach().movedim(dimension, -1).reshape(-1, size).numpy() for each in (old, new)
        )
        group = made.groups[(old is before[1]) * 1]
        mask = dead.view(group.view().shape).movedim(group.within, -1).reshape(-1, size)
        assert (mask.sum(1) == size - kept).all()
        assert bool((dead | ~first).all())
        if by == "large_final" and not values:
            order = np.argsort(np.abs(rows), 1)
            wanted = rows.copy()
            np.put_along_axis(wanted, order[:, : size - kept], 0, 1)
            np.testing.assert_array_equal(after, wanted)


@pytest.mark.parametrize("granularity", ["weight", "filter", "kernel", "2:4"])
@pytest.mark.parametrize("by", ["large_final", "random", "movement"])
def test_the_layout_in_memory_changes_nothing(granularity: str, by: str) -> None:
    def run(layout: torch.memory_format) -> tuple[list[Tensor], nn.Module]:
        network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 4, 2, groups=2)).to(
            memory_format=layout
        )
        made = make(filled(network), 0.5, granularity, by=by)
        filled(network, 1)
        made.update(1.0)
        return made.dead, network

    plain, one = run(torch.contiguous_format)
    last, two = run(torch.channels_last)
    assert two[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(a, b) for a, b in zip(plain, last, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("granularity", ["weight", "filter"])
def test_other_types_of_numbers(dtype: torch.dtype, granularity: str) -> None:
    network = filled(small()).to(dtype)
    before = means(network, granularity)
    made = make(network, 0.5, granularity, "global", least=0)
    made.update(1.0)
    flat, dead = np.concatenate(before), torch.cat(made.dead).numpy()
    assert int(dead.sum()) == len(flat) // 2
    assert flat[dead].max() <= flat[~dead].min() * (1 + 1e-5)


def test_squares_of_half_precision_do_not_run_out_of_digits() -> None:
    layer = nn.Linear(64, 1, bias=False).half()
    layer.weight.data = torch.arange(64, 0, -1).mul(1e-6).half().unsqueeze(0)  # squares below 6e-8
    made = make(layer, 0.5, by="squared_final")
    made.update(1.0)
    assert made.dead[0].tolist() == [False] * 32 + [True] * 32


def test_double_precision_is_compared_as_such() -> None:
    layer = nn.Linear(4, 1, bias=False).double()
    layer.weight.data = 1 + torch.tensor([[0.0, 3, 2, 1]], dtype=torch.float64) * 1e-12
    for granularity in ("weight", "column"):
        made = make(layer, 0.5, granularity)
        made._compare(made.comparisons[0], 0.5)
        assert made.dead[0].tolist() == [True, False, False, True]


def test_layers_of_different_types_are_compared_without_rounding() -> None:
    network = nn.Sequential(nn.Linear(2, 1, bias=False).bfloat16(), nn.Linear(2, 1, bias=False))
    network[0].weight.data = torch.tensor([[1.0, 4.0]]).bfloat16()
    network[1].weight.data = torch.tensor([[1.0001, 1.0002]])
    made = make(network, 0.5, "weight", "global")
    made.update(1.0)
    assert [dead.tolist() for dead in made.dead] == [[True, False], [True, False]]


@pytest.mark.parametrize("granularity", ["weight", "filter", "layer", "2:4"])
@pytest.mark.parametrize("context", ["local", "global"])
def test_nan_is_an_error_that_names_the_layer(granularity: str, context: str) -> None:
    if granularity == "2:4" and context == "global":
        context = "local"
    network = nn.ModuleDict({"a": nn.Conv2d(4, 4, 1), "b": nn.Conv2d(4, 4, 1)})
    made = make(network, 0.5, granularity, context, least=int(granularity == "filter"))
    network["b"].weight.data[1, 2] = torch.nan
    if granularity == "layer" and context == "local":
        assert made.most == 0
        return
    with pytest.raises(ModelError, match=r"^b: the scores of"):
        made.update(1.0)


def test_many_weights_are_scored_by_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> list[Tensor]:
        network = filled(small(), 4)
        made = make(network, 0.37, "weight", "global", "random")
        made.update(1.0)
        return made.dead

    whole = run()
    monkeypatch.setattr(module, "PIECE", 17)
    assert all(torch.equal(one, two) for one, two in zip(whole, run(), strict=True))


def test_random_scores_follow_the_seed_and_nothing_else() -> None:
    runs = []
    for seed in (1, 1, 2):
        made = make(filled(small()), 0.5, "kernel", "global", "random", seed=seed)
        random = torch.get_rng_state()
        made.update(1.0)
        assert torch.equal(torch.get_rng_state(), random)
        runs.append(torch.cat(made.dead))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize("by", ["large_final", "updating_movement", "random"])
def test_a_checkpoint_goes_on_as_if_nothing_had_been(by: str) -> None:
    def moved(network: nn.Module, seed: int) -> None:
        rng = np.random.default_rng(seed)
        for weight in network.parameters():
            weight.data += torch.from_numpy(rng.normal(size=tuple(weight.shape)))

    one, two = filled(small()), filled(small(), 9)
    first, second = make(one, 0.7, "kernel", "global", by), make(two, 0.7, "kernel", "global", by)
    moved(one, 1)
    first.update(0.5)
    state = first.state_dict()
    two.load_state_dict(one.state_dict())
    second.load_state_dict(state)
    for each, network in ((first, one), (second, two)):
        moved(network, 2)
        each.apply()
        each.update(1.0)
    assert all(torch.equal(a, b) for a, b in zip(first.dead, second.dead, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert int(sum(state[f"dead.{k}"].sum() for k in range(4))) < first.count[0]  # a copy


def test_checkpoints_of_something_else_are_refused_and_change_nothing() -> None:
    made = make(filled(small()), 0.5, "filter", by="movement")
    state = make(filled(small()), 0.5, "filter", by="movement").state_dict()
    wrong = {
        "missing mask": {k: v for k, v in state.items() if k != "dead.3"},
        "other mask": state | {"dead.3": torch.ones(9, dtype=torch.bool)},
        "missing reference": {k: v for k, v in state.items() if k != "reference.2"},
        "other reference": state | {"reference.2": torch.zeros(2)},
    }
    for given_ in wrong.values():
        given_["dead.0"] = torch.ones(8, dtype=torch.bool)
        with pytest.raises(ModelError, match="of another network or recipe"):
            made.load_state_dict(given_)
        assert not made.dead[0].any()


OPTIMIZERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "sgd": lambda net: SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda net: Adam(net.parameters(), 0.01),
    "adamw": lambda net: AdamW(net.parameters(), 0.01, weight_decay=0.1),
    "rmsprop": lambda net: RMSprop(net.parameters(), 0.003, momentum=0.9),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("activation", [nn.SiLU, nn.Identity])
@pytest.mark.parametrize("granularity", ["weight", "filter", "shared_kernel"])
def test_zeros_survive_an_optimizer(
    kind: str, activation: Callable[[], nn.Module], granularity: str
) -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 6, 3),
        activation(),
        nn.Conv2d(6, 6, 3, groups=2),
        activation(),
        nn.Conv2d(6, 1, 1),
    )
    filled(network).requires_grad_()
    for weight in network.parameters():
        weight.data.clamp_(-0.5, 0.5)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(4, 2, 6, 6, generator=generator)
    wanted = torch.randn(4, 1, 2, 2, generator=generator)
    made, optimizer = make(network, 0.5, granularity), OPTIMIZERS[kind](network)
    when = schedule("gradual", start=0.0, end=0.2)
    first = None
    for step in range(30):
        optimizer.zero_grad()
        functional.mse_loss(network(image), wanted).backward()
        optimizer.step()
        made.update(when((step + 1) / 30))
        made.apply(optimizer)
        if step == 6:
            first = [dead.clone() for dead in made.dead]
            alive = [group.rows(group.view()).detach().clone() for group in made.groups]
    assert made.count[0] == made.most
    for k, group in enumerate(made.groups):
        rows, dead = group.rows(group.view()), made.dead[k]
        assert torch.equal(dead, first[k])
        assert not rows[dead].any()
        assert not torch.equal(rows[~dead], alive[k][~dead])  # the others train on
        for kept in optimizer.state[group.weight].values():
            if kept.shape == group.weight.shape:
                assert not group.rows(group.view(kept))[dead].any()
