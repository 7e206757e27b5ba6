"""How outputs on two processors are compared."""

import numpy as np
import pytest
from arm64 import FLOAT_BAR, compare


def one(*values: float, dtype: str = "float32") -> dict[str, np.ndarray]:
    return {"images/logits": np.array(values, dtype=dtype)}


def test_the_same_bits() -> None:
    assert compare(one(1, 2, dtype="int8"), one(1, 2, dtype="int8"), exact=True) == (
        True,
        "same bits",
    )
    found = compare(one(1, 2, 3, dtype="int8"), one(1, 2, 4, dtype="int8"), exact=True)
    assert found == (False, "images/logits: 1 of 3 values differ")
    assert not compare(one(0.0), one(-0.0), exact=True).passed


def test_floats_are_measured_against_the_largest() -> None:
    here = one(8.0, 0.001)
    near = {"images/logits": here["images/logits"] + np.float32(4e-6) * np.array([0, 1], "float32")}
    found = compare(here, near, exact=False)
    assert found.passed
    assert float(found.words) == pytest.approx(4e-6 / 8, rel=0.1)
    far = {"images/logits": here["images/logits"] + np.array([0, 3e-5], "float32")}
    assert not compare(here, far, exact=False).passed
    assert 4e-6 / 8 < FLOAT_BAR < 3e-5 / 8


def test_what_is_small_is_measured_against_one() -> None:
    small = one(0.01, 0.02)
    near = {"images/logits": small["images/logits"] + np.array([0, 5e-7], "float32")}
    assert compare(small, near, exact=False).passed
    far = {"images/logits": small["images/logits"] + np.array([0, 2e-6], "float32")}
    assert not compare(small, far, exact=False).passed


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (one(np.nan, 1), "is not finite"),
        (one(1, 2, 3), "(3,)"),
        (one(1, 2, dtype="float64"), "float64"),
        ({"other": np.ones(2)}, "other outputs"),
    ],
)
def test_what_cannot_be_compared_fails(other: dict[str, np.ndarray], says: str) -> None:
    found = compare(one(1, 2), other, exact=False)
    assert not found.passed
    assert says in found.words
