"""What goes wrong in another network is told in one line, and what is no fault of its inputs stays."""

import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.asking import asking, check_takes, examples
from mobilekit.compress.base import Context, Training
from mobilekit.core.errors import DataError, ModelError
from tests.compress.fitting.material import labelled

INPUTS = [torch.zeros(2, 1, 4, 4)]


@pytest.mark.parametrize(
    "problem",
    [RuntimeError("no\nway"), AssertionError("no way"), KeyError("no way"), ZeroDivisionError()],
)
def test_any_error_of_the_network_is_told_in_one_line(problem: Exception) -> None:
    network = nn.Sequential(nn.Linear(5, 2))
    with pytest.raises(ModelError) as found, asking("the peer", network, INPUTS):
        raise problem
    assert str(found.value).startswith(
        "the peer does not take the images: it was given [2, 1, 4, 4] (its 0 takes vectors of 5): "
    )
    assert "\n" not in str(found.value)
    assert found.value.__cause__ is problem


@pytest.mark.parametrize(
    "problem", [DataError("known"), RuntimeError("CUDA out of memory"), MemoryError()]
)
def test_what_is_not_about_inputs_stays_what_it_is(problem: Exception) -> None:
    with pytest.raises(type(problem)) as found, asking("the peer", nn.Identity(), INPUTS):
        raise problem
    assert found.value is problem


def test_inputs_come_in_the_type_of_the_network() -> None:
    seen: list[Tensor] = []
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).double().train()
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    check_takes("it", network, INPUTS)
    assert seen[0].dtype == torch.float64
    assert network.training
    assert int(network[1].num_batches_tracked) == 0
    check_takes("it", network, [])  # nothing is known yet


def test_an_image_of_the_data_set_goes_before_examples() -> None:
    data = labelled(4)
    (image,) = examples(Context(INPUTS, training=Training(data, data)))
    assert torch.equal(image[0], data[0][0])
    assert examples(Context(INPUTS)) is INPUTS


def test_further_inputs_come_in_the_size_of_the_image() -> None:
    data, mask = labelled(4), torch.ones(2, 5, 16, 16)
    image, other = examples(Context([*INPUTS, mask], training=Training(data, data)))
    assert torch.equal(image[0], data[0][0])
    assert other.shape == (1, 5, 8, 8)
