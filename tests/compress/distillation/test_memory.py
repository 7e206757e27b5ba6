"""A checkpoint's part is the tensors themselves; a digest tells networks apart by every bit."""

import pytest
import torch
from torch import nn

from mobilekit.compress.distillation.memory import digest, recall, remembered
from mobilekit.core.errors import ModelError


def network(fill: float = 1.0) -> nn.Module:
    made = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).to(torch.bfloat16)
    with torch.no_grad():
        made[0].weight.fill_(fill)
        made[0].bias.fill_(fill)
    return made


def test_digests_are_of_names_types_shapes_and_values() -> None:
    first = digest(network())
    assert digest(network()) == first
    others = [network(), network().float(), nn.ModuleDict({"a": network()}), network(), network()]
    with torch.no_grad():
        others[0][0].weight[2, 1] = -1.0
        others[3][1].num_batches_tracked.add_(1)
        others[4][0].weight = nn.Parameter(torch.ones(2, 3, dtype=torch.bfloat16))
    assert len({first, *map(digest, others)}) == 6


def test_what_is_remembered_is_recalled_into_another_module() -> None:
    first, second = network(2.0), network(3.0)
    state = {**remembered(first, "peer."), "other": 1}
    assert state["peer.0.weight"].data_ptr() == first[0].weight.data_ptr()
    recall(second, state, "peer.")
    assert digest(second) == digest(first)
    assert second[0].weight.data_ptr() != first[0].weight.data_ptr()


@pytest.mark.parametrize(
    "other", [nn.Linear(2, 3), nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))]
)
def test_a_state_of_another_module_is_refused(other: nn.Module) -> None:
    with pytest.raises(ModelError, match="the checkpoint's peer is of another network or recipe"):
        recall(other, remembered(network(), "peer."), "peer.")
