"""What layers do in one run: counted by hand."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilekit.compress.sparsity.work import Work, work_of
from mobilekit.core.errors import ModelError


def meetings(layer: nn.Module, image: Tensor) -> int:
    """Count the multiplications by the last weight: of ones, it alone adds up to their number."""
    layer = copy.deepcopy(layer).double()
    with torch.no_grad():
        for each in layer.parameters():
            each.zero_()
        layer.weight.view(-1)[-1] = 1
        return round(float(layer(image.double()).sum()))


@settings(deadline=None, max_examples=30)
@given(st.booleans(), st.integers(1, 2), st.integers(1, 3), st.integers(5, 8), st.integers(5, 8))
def test_positions_are_how_often_a_weight_is_used(
    transposed: bool, stride: int, kernel: int, height: int, width: int
) -> None:
    make = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = make(2, 2, kernel, stride=stride, groups=2)
    image = torch.ones(1, 2, height, width)
    found = work_of(nn.Sequential(layer), [image])["0"]
    assert found.positions == meetings(layer, image)
    assert found.size == tuple(layer(image).shape[2:])


@pytest.mark.parametrize(
    ("layer", "shape", "work"),
    [
        (nn.Linear(3, 2), (5, 3), Work((), 1, ((5, 3),))),
        (nn.Linear(3, 2), (5, 7, 3), Work((), 7, ((5, 7, 3),))),
        (nn.Conv1d(3, 2, 3), (5, 3, 9), Work((7,), 7, ((5, 3, 9),))),
        (nn.Conv3d(3, 2, 2), (5, 3, 3, 4, 5), Work((2, 3, 4), 24, ((5, 3, 3, 4, 5),))),
        (nn.Conv2d(3, 2, 3), (3, 5, 6), Work((3, 4), 12, ((3, 5, 6),))),  # without a batch
    ],
)
def test_layers_of_all_kinds(layer: nn.Module, shape: tuple[int, ...], work: Work) -> None:
    assert work_of(nn.Sequential(layer), [torch.zeros(shape)]) == {"0": work}


@pytest.mark.parametrize(
    ("batch_first", "shape"), [(True, (2, 7, 4)), (False, (7, 2, 4)), (True, (7, 4))]
)
def test_attention_meets_each_token(batch_first: bool, shape: tuple[int, ...]) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=batch_first)

        def forward(self, tokens: Tensor) -> Tensor:
            made: Tensor = self.attention(tokens, tokens, tokens)[0]
            return made

    assert work_of(Net(), [torch.zeros(shape)])["attention"] == Work((), 7, (shape,))


def test_a_layer_that_runs_twice_works_twice_and_one_that_does_not_is_missing() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice, self.never = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

        def forward(self, image: Tensor) -> Tensor:
            made: Tensor = self.twice(self.twice(image))
            return made

    assert work_of(Net(), [torch.zeros(1, 1, 3, 3)]) == {
        "twice": Work((3, 3), 18, ((1, 1, 3, 3),) * 2)
    }


def test_the_network_is_left_as_found() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    network[2].eval()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    random = torch.get_rng_state()
    work_of(network, [torch.ones(2, 1, 4, 4)])
    assert [each.training for each in network] == [True, True, False]
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())
    assert not any(each._forward_hooks for each in network.modules())
    assert torch.equal(torch.get_rng_state(), random)


def test_inputs_that_do_not_fit() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3))
    with pytest.raises(ModelError, match="the network does not run on its inputs"):
        work_of(network, [torch.zeros(1, 2, 4, 4)])
    assert not network[0]._forward_hooks
