"""Fewer zeros than were asked for are never passed over in silence; counts are those of the weights."""

import pytest
import torch
from torch import nn

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Context
from mobilekit.compress.during.lottery import Lottery
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.core.errors import NoEffectError
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import plain


def pairs() -> nn.Sequential:
    """Five layers of two filters each."""
    return nn.Sequential(*[nn.Conv2d(1 if not i else 2, 2, 1) for i in range(5)])


def stepped(
    network: nn.Module, method: Sparsify | Lottery, *progress: float
) -> tuple[Acting, torch.optim.Optimizer]:
    acting, optimizer = (
        Acting(network, [method], Context(())),
        torch.optim.SGD(network.parameters()),
    )
    for each in progress:
        acting.after_step(each, optimizer)
    return acting, optimizer


def dead_filters(network: nn.Sequential) -> int:
    return sum(int((layer.weight.flatten(1) == 0).all(1).sum()) for layer in network)


@pytest.mark.parametrize(("least", "stay"), [(1, 5), (2, 10), (0, 1)])
def test_filters_that_must_stay_are_told(least: int, stay: int) -> None:
    network = pairs()
    method = Sparsify(sparsity=0.9, granularity="filter", context="global", least=least)
    if least == 2:
        with pytest.raises(NoEffectError):  # known before the training
            Acting(network, [method], Context(()))
        return
    notes = stepped(network, method, 1.0)[0].finish()
    assert dead_filters(network) == 10 - stay
    short = (
        f"sparsify: asked for 9 of 10 groups, 5 are zero: in each layer {least} stay, or all where there are"
        " fewer (least)"
    )
    assert notes[1:] == ((short,) if stay == 5 else ())


def test_a_training_that_ends_early_is_told() -> None:
    network = plain()
    method = Sparsify(sparsity=0.5, schedule="linear")
    acting, _ = stepped(network, method, 0.1, 0.2)
    notes = acting.finish()
    zeros = sum(int((network[place].weight == 0).sum()) for place in (0, 2, 4))
    assert zeros == 7 + 57 + 38  # a tenth of 72, 576 and 384
    assert notes[1] == (
        f"sparsify: asked for 516 of 1,032 groups, {zeros} are zero: the training ended at 0.2 of its length"
        " (stopped early, or of no known length)"
    )


def test_both_reasons_are_told() -> None:
    method = Sparsify(sparsity=0.9, granularity="filter", context="global", schedule="linear")
    notes = stepped(pairs(), method, 0.5)[0].finish()
    assert "asked for 9 of 10 groups, 4 are zero: the training ended at 0.5" in notes[1]
    assert notes[1].endswith("; in each layer 1 stay, or all where there are fewer (least)")


def test_nothing_at_all_is_an_error() -> None:
    for method, words in (
        (Sparsify(sparsity=0.5, schedule="gradual"), "the training ended at 0.1 of its length"),
        (Lottery(sparsity=0.5, rounds=3), "the training ended in part 1 of 4"),
    ):
        acting, _ = stepped(plain(), method, 0.1)
        with pytest.raises(
            NoEffectError, match=rf"asked for 516 of 1,032 groups, 0 are zero: {words}"
        ):
            acting.finish()
        with pytest.raises(NoEffectError, match="0 are zero"):
            Acting(plain(), [method], Context(())).finish()  # not one step


def test_a_ticket_without_all_its_rounds_is_told() -> None:
    network = plain()
    acting, _ = stepped(network, Lottery(sparsity=0.75, rounds=2), 1 / 3, 0.5)
    notes = acting.finish()
    assert sum(int((network[place].weight == 0).sum()) for place in (0, 2, 4)) == 516
    assert notes[1] == (
        "lottery: asked for 774 of 1,032 groups, 516 are zero: the training ended in part 2 of 3"
    )


def test_all_that_was_asked_for_needs_no_words() -> None:
    dense = Sparsify(sparsity=0.75, schedule="dense_sparse_dense")  # ends without a zero
    blocks = Sparsify(granularity="2:4", layers=("4",))
    for method in (Sparsify(sparsity=0.5), dense, blocks, Lottery(sparsity=0.7, rounds=2)):
        _, notes = run(plain(), [method], context=Context(INPUTS))
        assert len(notes) == 1


def test_what_a_checkpoint_brings_counts_as_progress() -> None:
    method = Sparsify(sparsity=0.9, schedule="linear")
    acting, _ = stepped(plain(), method, 0.5)
    other = Acting(plain(), [method], Context(()))
    other.load_state_dict(acting.state_dict())
    assert "the training ended at 0.5 of its length" in other.finish()[1]
