import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops import values


@pytest.mark.parametrize(
    ("value", "dtype"), [(True, torch.bool), (3, torch.int32), (0.5, torch.float32)]
)
def test_tensor_takes_the_type_of_a_number(value, dtype):
    found = values.tensor(value)
    assert (found.dtype, found.shape, found.item()) == (dtype, (), value)
    assert values.tensor(found) is found


def test_numbers_are_read_from_tensors_too():
    assert values.integer(torch.tensor([4])) == values.integer(4) == 4
    assert values.real(torch.tensor(0.5)) == values.real(0.5) == 0.5
    assert values.flag(torch.tensor(True)) is values.flag(1) is True


@pytest.mark.parametrize("value", [torch.tensor([1, -2]), (1, torch.tensor(-2)), [1, -2]])
def test_integers(value):
    assert values.integers(value) == [1, -2]


def test_positions_count_from_the_front():
    assert values.positions("op", torch.tensor([-1, 0]), 3) == [2, 0]
    with pytest.raises(ArtifactError, match=r"operator op: axes = -4 is outside \[-3, 3\)"):
        values.positions("op", torch.tensor([-4]), 3)
    with pytest.raises(ArtifactError, match=r"operator op: batch_axis = 3 is outside"):
        values.position("op", 3, 3, "batch_axis")


def test_several():
    assert values.several([1, 2]) == (1, 2)
    assert values.several(1) == (1,)
