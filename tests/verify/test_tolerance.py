import math

import numpy as np
import pytest

from mobilekit.core.targets import CoremlTarget, OnnxTarget, SourceTarget, Target, TfliteTarget
from mobilekit.verify.tolerance import (
    FACTOR,
    GREATEST_RELATIVE_L2,
    decibels,
    excused,
    greatest_relative_l2,
)


@pytest.mark.parametrize(
    ("target", "least_db"),
    [
        (CoremlTarget(precision="float32"), 100),
        (CoremlTarget(), 40),
        (TfliteTarget(), 100),
        (TfliteTarget("float16"), 40),
        (OnnxTarget(), 100),
    ],
)
def test_every_target_has_a_bound(target: Target, least_db: float) -> None:
    assert decibels(greatest_relative_l2(target)) == pytest.approx(least_db)


def test_decibels_are_twenty_times_the_logarithm() -> None:
    assert decibels(1.0) == 0
    assert decibels(0.5) == pytest.approx(20 * math.log10(2))


@pytest.mark.parametrize(("precision", "bits"), [("float32", 24), ("float16", 11)])
def test_one_rounding_of_every_value_stays_far_below_the_bound(precision: str, bits: int) -> None:
    values = np.random.default_rng(0).standard_normal(100_000)
    rounded = values.astype(precision).astype(np.float64)
    error = float(np.linalg.norm(rounded - values) / np.linalg.norm(values))
    assert error < 2.0**-bits  # unit roundoff bounds every single relative error
    bounds = [
        bound
        for (form, kind), bound in GREATEST_RELATIVE_L2.items()
        if kind == precision and form != "source"  # which allows no rounding
    ]
    assert all(error < bound / 10 for bound in bounds)


def test_no_error_of_pytorch_itself_excuses_source() -> None:
    assert excused(SourceTarget(), 1.0) == GREATEST_RELATIVE_L2["source", "float32"] == 1e-9


def test_a_lower_precision_never_has_the_stricter_bound() -> None:
    for (kind, precision), bound in GREATEST_RELATIVE_L2.items():
        if precision == "float16":
            assert bound > GREATEST_RELATIVE_L2[kind, "float32"]
    floats = {precision for _, precision in GREATEST_RELATIVE_L2}
    assert set(FACTOR) == {*floats, "quantized"}


def test_a_quantized_file_may_err_as_errors_of_its_size_do() -> None:
    target = TfliteTarget(quantize="static:int8")
    assert greatest_relative_l2(target) == 1e-3
    assert [excused(target, error) for error in (0.0, 0.01, 0.5)] == [1e-3, 0.03, 1.5]
