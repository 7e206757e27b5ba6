import numpy as np
import pytest

from mobilekit.core.errors import DataError
from mobilekit.core.tensors import TensorSpec
from mobilekit.runtime.arrays import check_arrays

SPECS = (TensorSpec("a", (2, 3)), TensorSpec("n", (1,), "int32"))


def test_accepts_what_the_specs_say() -> None:
    check_arrays(SPECS, {"a": np.zeros((2, 3), np.float32), "n": np.zeros(1, np.int32)})


BATCH = {"a": frozenset({0}), "n": frozenset({0})}


def test_a_free_axis_takes_any_size_and_the_others_do_not() -> None:
    arrays = {"a": np.zeros((7, 3), np.float32), "n": np.zeros(4, np.int32)}
    check_arrays(SPECS, arrays, BATCH)
    with pytest.raises(DataError, match="input a"):
        check_arrays(SPECS, arrays)
    with pytest.raises(DataError, match="input n"):
        check_arrays(SPECS, arrays, {"a": frozenset({0})})
    with pytest.raises(DataError, match="input a"):
        check_arrays(SPECS, {**arrays, "a": np.zeros((7, 4), np.float32)}, BATCH)


def test_another_number_of_axes_is_refused_even_where_one_is_free() -> None:
    arrays = {"a": np.zeros(3, np.float32), "n": np.zeros(1, np.int32)}
    with pytest.raises(DataError, match=r"\[3\] float32 given, \[2, 3\] float32 expected"):
        check_arrays(SPECS, arrays, BATCH)
