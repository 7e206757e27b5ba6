import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core.errors import UsageError
from mobilekit.core.tensors import TensorSpec, parse_input, to_layout


def test_a_named_and_typed_input_is_read_whole():
    assert parse_input("ids=1x77:int64") == TensorSpec("ids", (1, 77), "int64", "plain")


def test_unnamed_inputs_are_called_by_their_position():
    assert [parse_input("1x3x8x8", i).name for i in range(3)] == ["input", "input_1", "input_2"]


@pytest.mark.parametrize(
    "text", ["", "1x", "x3", "1x3x0x4", "a b=1x2", "1x3x8x8:float7", "1,3,8,8", "=1x3", "-1x3x8x8"]
)
def test_other_forms_are_refused_in_one_line(text: str):
    with pytest.raises(UsageError) as caught:
        parse_input(text)
    assert "\n" not in str(caught.value)
    assert repr(text) in str(caught.value)


@given(st.lists(st.integers(1, 5), min_size=4, max_size=4))
def test_layouts_round_trip(shape: list[int]):
    array = np.arange(np.prod(shape)).reshape(shape)
    there = to_layout(array, "NCHW", "NHWC")
    assert there.shape == (shape[0], shape[2], shape[3], shape[1])
    assert np.array_equal(to_layout(there, "NHWC", "NCHW"), array)


def test_plain_tensors_are_never_moved():
    spec = TensorSpec("x", (2, 3, 4, 5), layout="plain")
    assert spec.in_layout("NHWC") is spec
