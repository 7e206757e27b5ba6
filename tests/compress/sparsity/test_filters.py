"""What a filter is, for every kind of convolution."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError

KINDS = {
    (False, 1): nn.Conv1d,
    (False, 2): nn.Conv2d,
    (False, 3): nn.Conv3d,
    (True, 1): nn.ConvTranspose1d,
    (True, 2): nn.ConvTranspose2d,
    (True, 3): nn.ConvTranspose3d,
}


@settings(deadline=None)
@given(st.booleans(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_a_filter_is_what_makes_one_output_channel(
    transposed: bool, dimensions: int, groups: int, inputs: int, outputs: int
) -> None:
    layer = KINDS[transposed, dimensions](inputs * groups, outputs * groups, 2, groups=groups)
    (filters,) = groups_of(nn.Sequential(layer), "filter")
    assert filters.name == "0.weight"
    assert filters.count == outputs * groups
    assert filters.size == inputs * 2**dimensions
    image = torch.ones(1, inputs * groups, *[3] * dimensions)
    for channel in range(filters.count):
        with torch.no_grad():
            layer.weight.fill_(1)
            layer.bias.zero_()
            mask = torch.arange(filters.count) == channel
            filters.view().masked_fill_(filters.spread(mask), 0)
            made = layer(image)[0].flatten(1).abs().sum(1)
        assert (made == 0).tolist() == mask.tolist()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.body = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
        self.body[2].weight = self.body[0].weight
        self.head = nn.Linear(4, 2)


def names(found: list[Grouped]) -> list[str]:
    return [filters.name for filters in found]


def test_shared_weights_count_once_and_linear_layers_not_at_all() -> None:
    assert names(groups_of(Net(), "filter")) == ["stem.weight", "body.0.weight"]


def test_patterns_choose_layers() -> None:
    assert names(groups_of(Net(), "filter", ["body.*"])) == ["body.0.weight"]
    assert names(groups_of(Net(), "filter", without=["stem"])) == ["body.0.weight"]
    with pytest.raises(
        RecipeError, match=r"'stm' matches no layer of its kind\. Did you mean stem"
    ):
        groups_of(Net(), "filter", ["stm"])
    with pytest.raises(NoEffectError, match="no layer that trains"):
        groups_of(Net(), "filter", without=["*"])


def test_frozen_weights_are_left_out() -> None:
    network = Net()
    network.stem.weight.requires_grad_(requires_grad=False)
    assert names(groups_of(network, "filter")) == ["body.0.weight"]
    with pytest.raises(NoEffectError):
        groups_of(nn.Linear(2, 2), "filter")


def test_of_a_parametrized_weight_the_stored_one_is_meant() -> None:
    network = Net()
    parametrize.register_parametrization(network.stem, "weight", nn.Tanh())
    (stem, _) = groups_of(network, "filter")
    assert stem.name == "stem.parametrizations.weight.original"
    assert stem.weight is dict(network.named_parameters())[stem.name]
    parametrizations.weight_norm(network.body[0])
    with pytest.raises(ModelError, match=r"body\.0\.weight is computed from several weights"):
        groups_of(network, "filter")


def test_a_lone_convolution_has_a_name_too() -> None:
    assert names(groups_of(nn.Conv2d(1, 2, 3), "filter")) == ["weight"]


def test_views_that_do_not_fit_are_refused() -> None:
    weight = torch.zeros(4, 3)
    with pytest.raises(ModelError, match=r"w: \[4, 3\] cannot be viewed as \[5, 3\]"):
        Grouped("w", weight, (0,), (5, 3))
    with pytest.raises(ModelError, match=r"dimensions \[2\], but the weight has 2"):
        Grouped("w", weight, (2,))
