"""What is zero when the training begins is zero in the end, and nothing else is touched."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Batch, Context
from mobilekit.compress.during.keep_zeros import KeepZeros
from mobilekit.compress.sparsity.axes import sparsify
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


class Attentive(nn.Module):
    """One attention whose keys are as wide as its queries, one whose are not, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.MultiheadAttention(8, 2, batch_first=True)
        self.other = nn.MultiheadAttention(8, 2, kdim=4, vdim=4, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.same(x, x, x, need_weights=False)[0]
        x = x + self.other(x, x[..., :4], x[..., :4], need_weights=False)[0]
        return self.head(x.mean(1))


def test_zeros_of_attention_are_kept_in_every_projection() -> None:
    network = Attentive()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.uniform_(-1, 1, generator=generator)
            if weight.ndim == 2:
                weight[1] = 0
    matrices = {name: each for name, each in network.named_parameters() if each.ndim == 2}
    assert len(matrices) == 7
    inputs = torch.randn(6, 5, 8, generator=generator)
    target = torch.tensor([0, 1, 2, 0, 1, 2])
    with Acting(network, [KeepZeros()], Context((inputs,))) as acting:
        optimizer = torch.optim.AdamW(network.parameters(), 0.01)
        for step in range(5):
            optimizer.zero_grad()
            outputs = network(inputs)
            task = functional.cross_entropy(outputs, target)
            acting.loss(task, Batch((inputs,), target), outputs).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            acting.after_step((step + 1) / 5, optimizer)
        zeros = sum(each.shape[1] for each in matrices.values())
        assert acting.finish() == (f"keep_zeros: {zeros} weights stayed zero",)
    for name, weight in matrices.items():
        assert weight.eq(0).nonzero()[:, 0].unique().tolist() == [1], name


def test_heads_that_were_taken_away_do_not_grow_again() -> None:
    network = nn.Sequential(nn.TransformerEncoderLayer(8, 4, 16, batch_first=True))
    sparse = sparsify(network, granularity="head")
    weight = sparse[0].self_attn.in_proj_weight
    before = weight == 0
    assert int(before.sum()) == weight.numel() // 2
    handle = KeepZeros().start(sparse, Context(()))
    with torch.no_grad():
        weight.add_(1)
    handle.after_step(0.5)
    assert torch.equal(weight == 0, before)
