"""Filters that die at an epoch's end stay dead; the history; what is left alone."""

import itertools

import pytest
import torch
from torch import nn

from mobilekit.compress.base import Context
from mobilekit.compress.during.kernel_sparsity import Dying, KernelSparsity
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import plain, rich


def dead(layer: nn.Conv2d) -> list[int]:
    found: list[int] = layer.weight.flatten(1).any(1).logical_not().nonzero().flatten().tolist()
    return found


def test_filters_zeroed_at_an_epochs_end_stay_zero() -> None:
    network = plain()
    course: list[tuple[set[int], set[int]]] = []

    def each(*_: object) -> None:
        course.append((set(dead(network[0])), set(dead(network[2]))))

    acting, notes = run(network, [KernelSparsity(threshold=0.15)], 8, each=each)
    assert course[0] == (set(), set())
    for before, after in itertools.pairwise(course):
        assert before[0] <= after[0]
        assert before[1] <= after[1]
    changes = [step for step in range(1, 8) if course[step] != course[step - 1]]
    gone = len(course[-1][0]) + len(course[-1][1])
    assert gone > 0
    assert changes
    assert all(step % 2 == 1 for step in changes)  # an epoch has two steps
    assert notes == (f"kernel_sparsity: {gone} of 16 filters are zero",)
    assert acting.figures()["zero_filters"] == gone


def test_history_has_every_epochs_values_before_zeroing() -> None:
    network = plain()
    acting, _ = run(network, [KernelSparsity(strength=0.0, threshold=0.1)], 6)
    (handle,) = acting.handles
    assert isinstance(handle, Dying)
    assert len(handle.history) == 3
    assert all(values.keys() == {"0.weight", "2.weight"} for values in handle.history)
    last = network[2].weight.detach().abs().mean((1, 2, 3))
    kept = last != 0
    torch.testing.assert_close(handle.history[-1]["2.weight"][kept], last[kept])
    first = handle.history[0]["2.weight"]
    doomed = [int(each) for each in dead(network[2]) if float(first[each]) > 0]
    assert doomed == dead(network[2])  # alive at the first epoch's end, and written down so


@pytest.mark.parametrize("least", [0, 1, 3])
def test_last_filters_of_a_layer_stay(least: int) -> None:
    network = plain()
    with torch.no_grad():
        network[0].weight.mul_(1e-4)
    run(network, [KernelSparsity(strength=0.0, threshold=0.3, least=least)], 2, make=still)
    assert len(dead(network[0])) == 8 - least
    assert 0 < 8 - len(dead(network[2])) <= 8


def still(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, 0.0)


def test_no_filter_goes_before_its_time() -> None:
    network = plain()
    with torch.no_grad():
        network[2].weight[5] *= 1e-4
    gone: list[int] = []
    method = KernelSparsity(strength=0.0, threshold=0.01, start_at=0.5)
    acting, _ = run(
        network, [method], 8, make=still, each=lambda *_: gone.append(len(dead(network[2])))
    )
    assert gone == [0, 0, 0, 1, 1, 1, 1, 1]  # the second of four epochs ends at 0.5
    assert acting.figures()["zero_filters"] == 1


def test_dead_filters_have_no_gradient_that_clipping_would_share_out() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    handle = KernelSparsity(strength=0.1, layers=("0",)).start(network, Context(INPUTS))
    assert isinstance(handle, Dying)
    with torch.no_grad():
        network[0].weight[1:3] = 0
    handle.dead = {"0.weight": torch.tensor([False, True, True, False])}
    images = torch.rand((4, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    network.train()(images).square().mean().backward()
    before = network[0].weight.grad.clone()
    assert float(before[1:3].abs().max()) > 0
    handle.after_backward()
    assert bool((network[0].weight.grad[1:3] == 0).all())
    assert bool((network[0].weight.grad[[0, 3]] != 0).any())


def test_nothing_more_goes_after_its_end() -> None:
    network = plain()
    gone: list[int] = []
    method = KernelSparsity(strength=0.5, threshold=0.1, end_at=0.5)

    def each(step: int, _optimizer: object) -> None:
        gone.append(len(dead(network[0])) + len(dead(network[2])))
        if step == 4:
            with torch.no_grad():
                network[2].weight[7] *= 1e-4

    acting, _ = run(network, [method], 8, make=still, each=each)
    assert 0 < gone[3] == gone[7]
    (handle,) = acting.handles
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    handle.after_backward()
    assert all(float(each.grad.abs().max()) == 0 for each in network.parameters())
    with pytest.raises(RecipeError, match="end_at"):
        KernelSparsity(start_at=0.6, end_at=0.5).start(plain(), Context(INPUTS))


def test_gradient_is_that_of_the_term() -> None:
    network = plain().double()
    handle = KernelSparsity(strength=0.7).start(network, Context(()))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    handle.after_backward()
    found = [network[0].weight.grad.clone(), network[2].weight.grad.clone()]
    weights = [network[0].weight, network[2].weight]
    vector = torch.cat([each.abs().mean((1, 2, 3)) for each in weights])
    vector = vector / 16
    term = 0.7 * vector.sum() / vector.square().sum().sqrt()
    for slope, expected in zip(found, torch.autograd.grad(term, weights), strict=True):
        torch.testing.assert_close(slope, expected, rtol=1e-10, atol=1e-14)
    assert float(network[4].weight.grad.abs().max()) == 0
    assert handle.figures()["penalty"] == pytest.approx(float(term.detach()), rel=1e-6)


def test_few_filters_win_over_many() -> None:
    ratios = []
    for strength in (0.0, 2.0):
        network = rich()
        acting, _ = run(network, [KernelSparsity(strength=strength, threshold=1e-9)], 60)
        (handle,) = acting.handles
        assert isinstance(handle, Dying)
        values = handle.history[-1]["3.weight"]
        ratios.append(float(values.sum() / values.norm()))
    assert ratios[1] < ratios[0]


def test_layers_that_make_the_outputs_are_left_alone_unless_named() -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 6), nn.Flatten())
    with torch.no_grad():
        network[2].weight[0] *= 1e-5
    _, notes = run(network, [KernelSparsity(strength=0.0, threshold=0.01)], 2, make=still)
    assert dead(network[2]) == []
    assert "2 makes the network's outputs and is left alone" in notes
    run(network, [KernelSparsity(strength=0.0, threshold=0.01, layers=("2",))], 2, make=still)
    assert dead(network[2]) == [0]


def test_state_carries_masks_and_history() -> None:
    acting, _ = run(plain(), [KernelSparsity(threshold=0.15)], 4)
    network = plain()
    handle = KernelSparsity(threshold=0.15).start(network, Context(INPUTS))
    (old,) = acting.handles
    assert isinstance(handle, Dying)
    assert isinstance(old, Dying)
    handle.load_state_dict(old.state_dict())
    assert len(handle.history) == 2
    handle.after_step(0.9)
    for name, place in (("0.weight", 0), ("2.weight", 2)):
        assert dead(network[place]) == old.dead[name].nonzero().flatten().tolist()
    other = KernelSparsity().start(nn.Sequential(nn.Conv2d(1, 4, 3)), Context(()))
    with pytest.raises(ModelError, match="kernel_sparsity: the checkpoint is of another network"):
        other.load_state_dict(old.state_dict())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NoEffectError, match="strength and threshold are both 0"):
        KernelSparsity(strength=0.0, threshold=0.0).start(plain(), Context(INPUTS))
    only = nn.Sequential(nn.Conv2d(1, 3, 8), nn.Flatten())
    with pytest.raises(NoEffectError, match="no hidden convolution that trains"):
        KernelSparsity().start(only, Context(INPUTS))
    with pytest.raises(RecipeError, match="stem"):
        KernelSparsity(layers=("stem",)).start(plain(), Context(INPUTS))
