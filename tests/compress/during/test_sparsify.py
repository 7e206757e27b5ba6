"""The schedule's course, exact counts, and what a state carries."""

import itertools

import pytest
import torch
from torch import nn

from mobilekit.compress.base import Context
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import plain, rich


def zeros(network: nn.Sequential) -> list[int]:
    return [
        int((layer.weight == 0).sum())
        for layer in network
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"kind": "linear"}, [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0]),
        ({"kind": "one_shot", "start": 0.5}, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
        ({"kind": "iterative", "n": 2, "start": 0.0}, None),
        ("gradual", None),
        ("one_cycle", None),
        ("cosine", None),
    ],
    ids=str,
)
def test_zeros_follow_the_schedule_and_end_exactly(
    schedule: object, expected: list[float] | None
) -> None:
    network = plain()
    course: list[list[int]] = []
    method = Sparsify(sparsity=0.75, schedule=schedule)  # type: ignore[arg-type]
    _, notes = run(network, [method], each=lambda *_: course.append(zeros(network)))
    if expected is not None:
        assert course == [
            [int(0.75 * share * size + 1e-9) for size in (72, 576, 384)] for share in expected
        ]
    for before, after in itertools.pairwise(course):
        assert all(one <= two for one, two in zip(before, after, strict=True))
    assert zeros(network) == [54, 432, 288]
    assert notes == ("sparsify: 774 of 1,032 groups are zero, 0.7500 of the weights",)


def test_weights_come_back_where_the_schedule_falls() -> None:
    network = plain()
    course: list[int] = []
    run(
        network, [Sparsify(sparsity=0.75, schedule="dense_sparse_dense")],
        each=lambda *_: course.append(sum(zeros(network))),
    )  # fmt: skip
    assert max(course) > 500
    assert sum(zeros(network)) == 0


def test_smallest_go_first() -> None:
    network = plain()
    sizes = network[2].weight.detach().abs()
    run(
        network,
        [Sparsify(sparsity=0.5, schedule={"kind": "one_shot", "start": 0.0}, layers=("2",))],
        1,
    )
    gone = network[2].weight == 0
    assert int(gone.sum()) == 288
    # Adam's first step is ±0.01 for each: ranks within 0.02 may have changed
    assert float(sizes[gone].max()) <= float(sizes[~gone].min()) + 0.02 + 1e-6


def test_filters_leave_the_layer_of_the_outputs_alone() -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 6), nn.Flatten())
    _, notes = run(network, [Sparsify(granularity="filter", context="global", sparsity=0.5)])
    assert int(network[0].weight.flatten(1).any(1).logical_not().sum()) == 4
    assert bool(network[2].weight.flatten(1).any(1).all())
    assert notes[1] == "2 makes the network's outputs and is left alone"


@pytest.mark.parametrize(
    "criterion", ["movement", "taylor", "gradient", "magnitude_increase", "random"]
)
def test_criteria_of_training_reach_the_sparsity(criterion: str) -> None:
    network = rich()
    run(network, [Sparsify(criterion=criterion, sparsity=0.5)])
    assert zeros(network) == [36, 288, 192]


def test_state_carries_masks_and_references() -> None:
    first, second = plain(1), plain(2)
    one = Sparsify(criterion="movement").start(first, Context(INPUTS))
    two = Sparsify(criterion="movement").start(second, Context(INPUTS))
    with torch.no_grad():
        first[0].weight.add_(torch.arange(72.0).view(8, 1, 3, 3))
    one.after_step(1.0)
    state = one.state_dict()
    assert any(name.startswith("reference") for name in state)
    two.load_state_dict(state)
    for name, value in two.state_dict().items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(state[name])), name
    two.after_step(1.0)
    assert torch.equal(second[0].weight == 0, first[0].weight == 0)
    other = Sparsify(granularity="filter").start(plain(), Context(INPUTS))
    with pytest.raises(
        ModelError, match="masks in the checkpoint are of another network or recipe"
    ):
        other.load_state_dict(state)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NoEffectError, match="takes none of them away"):
        Sparsify(sparsity=0.01, granularity="filter").start(plain(), Context(INPUTS))
    with pytest.raises(RecipeError, match="one_cycle"):
        Sparsify(schedule="one_cylce")
