"""The whole network, restricted to some classes."""

from collections import OrderedDict
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.specialization.teacher import restricted_teacher
from mobilekit.core.errors import ModelError


class Two(NamedTuple):
    logits: Tensor
    aux: Tensor | None


class Given(nn.Module):
    def __init__(self, outputs: Any) -> None:
        super().__init__()
        self.outputs = outputs
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Any:
        return self.outputs(x * self.scale)


X = torch.arange(2 * 5 * 3.0).reshape(2, 5, 3)


@pytest.mark.parametrize(
    "outputs",
    [
        lambda x: x,
        lambda x: OrderedDict(out=x, aux=x + 1),
        lambda x: (x, x[:, :, 0]),
        lambda x: Two(x, x + 1),
        lambda x: Two(x, None),
    ],
)
def test_outputs_keep_their_structure_and_lose_the_other_classes(outputs: Any) -> None:
    teacher = restricted_teacher(Given(outputs), (4, 1))
    found, whole = teacher(X), outputs(X)
    assert type(found) is type(whole)
    for one in ("logits", "aux") if isinstance(whole, Two) else ():
        assert hasattr(found, one)
    pairs = (
        [(found, whole)]
        if isinstance(whole, Tensor)
        else [(found[key], whole[key]) for key in (whole if isinstance(whole, dict) else (0, 1))]
    )
    for after, before in pairs:
        if before is None:
            assert after is None
        else:
            assert torch.equal(after, torch.stack([before[:, 4], before[:, 1]], 1))


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (lambda x: [{"boxes": x}], "a dictionary or tuple of tensors, not list"),
        (lambda x: (x, x[:, :4]), r"one C above 3, .* \[2, 5, 3\], \[2, 4, 3\]"),
        (lambda x: x[:, :3], r"one C above 3, .* \[2, 3, 3\]"),
        (lambda x: x[0, :, 0], r"these are \[5\]"),
        (lambda x: {"out": [x, x[0, 0]]}, r"these are .* \[3\]"),
    ],
)
def test_outputs_without_those_classes_are_refused(outputs: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        restricted_teacher(Given(outputs), (0, 3))(X)


def test_it_is_the_network_itself_with_its_gradients_and_modes() -> None:
    network = Given(lambda x: x)
    teacher = restricted_teacher(network, (2,))
    teacher.eval()
    assert not network.training
    teacher(X).sum().backward()
    assert network.scale.grad is not None
    assert network.scale.grad.item() == X[:, 2].sum().item()
    assert teacher.state_dict().keys() == {"network.scale"}


def test_a_network_that_has_just_those_classes_stays_as_it_is() -> None:
    """Its classes are in the new order already, whatever the old numbers were."""
    few = restricted_teacher(Given(lambda x: x[:, :2]), (1, 0))
    assert torch.equal(few(X), X[:, :2])
