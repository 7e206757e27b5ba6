"""What is zero when the training begins is zero in the end, and nothing else is touched."""

import pytest
import torch

from mobilekit.compress.base import Context
from mobilekit.compress.during.keep_zeros import KeepZeros
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import plain


def holed() -> torch.nn.Sequential:
    network = plain()
    with torch.no_grad():
        network[0].weight[3] = 0
        network[4].weight[:, 10:20] = 0
    return network


def test_zeros_are_kept_and_all_else_trains() -> None:
    network = holed()
    before = [network[place].weight.detach().clone() for place in (0, 2, 4)]
    _, notes = run(network, [KeepZeros()])
    assert notes == ("keep_zeros: 39 weights stayed zero",)
    for place, old in zip((0, 2, 4), before, strict=True):
        assert torch.equal(network[place].weight == 0, old == 0)
        moved = network[place].weight != old
        assert bool(moved[old != 0].any())


def test_layers_that_are_left_out_may_grow() -> None:
    network = holed()
    run(network, [KeepZeros(without=("4",))])
    assert int((network[0].weight == 0).sum()) == 9
    assert int((network[4].weight == 0).sum()) == 0


def test_without_zeros_there_is_nothing_to_do() -> None:
    with pytest.raises(NoEffectError, match="keep_zeros: no weight is zero"):
        KeepZeros().start(plain(), Context(INPUTS))
    with pytest.raises(RecipeError, match="conv9"):
        KeepZeros(layers=("conv9",)).start(holed(), Context(INPUTS))


def test_masks_of_another_network_are_refused() -> None:
    handle = KeepZeros().start(holed(), Context(INPUTS))
    with pytest.raises(ModelError, match="keep_zeros: the checkpoint is of another network"):
        handle.load_state_dict({"0.weight": torch.zeros(72, dtype=torch.bool)})


def test_masks_are_those_of_the_checkpoint() -> None:
    first, second = holed(), holed()
    with torch.no_grad():
        second[0].weight[4] = 0
    handle = KeepZeros().start(second, Context(INPUTS))
    handle.load_state_dict(KeepZeros().start(first, Context(INPUTS)).state_dict())
    with torch.no_grad():
        second[0].weight.fill_(1)
    handle.after_step(0.5)
    assert second[0].weight.flatten(1).any(1).logical_not().nonzero().tolist() == [[3]]
