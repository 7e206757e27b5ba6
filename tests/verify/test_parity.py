import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mobilekit.core.reports import ParityReport
from mobilekit.core.targets import CoremlTarget, TfliteTarget
from mobilekit.verify.parity import MARGIN_DEVIATIONS, agreement, compare, judge

BOUND = 1e-5
floats = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
    elements=st.floats(-1e6, 1e6, width=32),
)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def verdict(
    reference: np.ndarray, actual: np.ndarray, target: object = TfliteTarget()
) -> ParityReport:
    return judge(
        "model.tflite",
        target,
        "tflite",
        [("noise", [{"y": reference}], [{"y": actual}])],  # type: ignore[arg-type]
    )


@given(floats)
def test_an_exact_output_has_infinite_sqnr_and_passes(values: np.ndarray) -> None:
    row = compare("y", [values], [values.copy()], BOUND)
    assert row.sqnr_db == math.inf
    assert (row.relative_l2, row.max_abs_error, row.non_finite) == (0.0, 0.0, 0)
    assert row.cosine == pytest.approx(1.0)
    assert row.agreed == row.decided
    assert verdict(values, values).verdict == "pass"


@given(floats, st.integers(0, 9))
def test_the_figures_are_those_of_the_textbook(values: np.ndarray, seed: int) -> None:
    other = values + noise(seed, *values.shape)
    row = compare("y", [values], [other], BOUND)
    x, y = values.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    assert row.max_abs_error == np.abs(y - x).max()
    assert row.elements == x.size
    assert row.error_energy == pytest.approx(float(np.sum((y - x) ** 2)))
    if x.any():
        assert row.relative_l2 == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x))
        ratio = np.sum(x**2) / np.sum((y - x) ** 2) if (y - x).any() else math.inf
        assert row.sqnr_db == pytest.approx(10 * np.log10(ratio))
        if y.any():
            cosine = x @ y / (np.linalg.norm(x) * np.linalg.norm(y))
            assert row.cosine == pytest.approx(cosine, abs=1e-9)


def test_sqnr_of_eight_bit_rounding_is_that_of_uniform_noise() -> None:
    # Uniform values over the whole range of b bits: SQNR = 20 b log₁₀ 2 = 48.16 dB at b = 8
    # (signal L²/12 over step²/12 with L = 2ᵇ steps). 10⁶ samples scatter it by under 0.02 dB.
    values = np.random.default_rng(0).uniform(-1, 1, 1_000_000)
    step = 2 / 2**8
    rounded = np.round(values / step) * step
    row = compare("y", [values], [rounded], BOUND)
    assert row.sqnr_db == pytest.approx(20 * 8 * math.log10(2), abs=0.05)


def test_samples_add_up_as_if_they_were_one_batch() -> None:
    first, second = noise(0, 2, 7), noise(1, 3, 7)
    off = [first + noise(2, 2, 7) * 1e-3, second + noise(3, 3, 7) * 1e-3]
    apart = compare("y", [first, second], off, BOUND)
    whole = compare("y", [np.concatenate([first, second])], [np.concatenate(off)], BOUND)
    for name in ("signal_energy", "error_energy", "dot", "actual_energy", "max_abs_error"):
        assert getattr(apart, name) == pytest.approx(getattr(whole, name))
    assert apart.elements == whole.elements == 35


@given(st.permutations(range(12)))
def test_the_order_of_values_is_what_is_judged(order: list[int]) -> None:
    values = np.arange(1.0, 13.0)[None]
    row = compare("y", [values], [values[:, order]], BOUND)
    assert row.signal_energy == row.actual_energy
    assert (row.error_energy == 0) == (order == list(range(12)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_fail_and_are_counted(bad: float) -> None:
    reference = noise(0, 1, 10)
    broken = reference.copy()
    broken[0, [2, 5]] = bad
    report = verdict(reference, broken)
    assert report.verdict == "fail"
    assert report.reason == "on noise: y: 2 values are not finite"
    assert report.sets[0].outputs[0].non_finite == 2
    json.dumps(msgspec.to_builtins(report), allow_nan=False)


def test_infinities_of_the_network_itself_must_be_the_same() -> None:
    reference = np.array([[1.0, np.inf, -np.inf, np.nan, 2.0]], np.float32)
    assert verdict(reference, reference.copy()).verdict == "pass"
    turned = reference.copy()
    turned[0, 1] = -np.inf
    assert verdict(reference, turned).sets[0].outputs[0].non_finite == 1
    finite = np.nan_to_num(reference)
    assert verdict(reference, finite).verdict == "fail"


def test_zeros_are_exact_or_wrong() -> None:
    zeros = np.zeros((1, 4), np.float32)
    assert verdict(zeros, zeros).verdict == "pass"
    report = verdict(zeros, zeros + 1e-20)
    assert report.verdict == "fail"
    assert report.sets[0].outputs[0].sqnr_db == -math.inf
    json.dumps(msgspec.to_builtins(report), allow_nan=False)


@pytest.mark.parametrize(
    ("factor", "expected"), [(0.9, "pass"), (1.1, "fail")], ids=["below", "above"]
)
@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-5), ("float16", 1e-2)])
def test_the_verdict_turns_at_the_bound_of_the_table(
    precision: str, bound: float, factor: float, expected: str
) -> None:
    reference = noise(0, 1, 3, 4, 4).astype(np.float64)
    error = noise(1, 1, 3, 4, 4).astype(np.float64)
    error *= factor * bound * np.linalg.norm(reference) / np.linalg.norm(error)
    report = verdict(reference, reference + error, CoremlTarget(precision=precision))  # type: ignore[arg-type]
    assert report.verdict == expected
    assert report.precision == precision
    if expected == "fail":
        assert " dB, less than " in report.reason


def test_a_missing_output_or_another_shape_is_a_failure_with_its_reason() -> None:
    reference = noise(0, 1, 3)
    missing = judge("f", TfliteTarget(), "tflite", [("s", [{"y": reference}], [{"z": reference}])])
    assert missing.verdict == "fail"
    assert missing.reason == "on s: the file gives no output 'y' (it gives z)"
    other = verdict(reference, reference[:, :2])
    assert other.reason == "on noise: y: shape [1, 2] instead of [1, 3]"
    assert other.sets == ()


def test_the_first_failing_set_gives_the_reason_and_all_are_reported() -> None:
    right, wrong = noise(0, 1, 5), noise(1, 1, 5)
    sets = [
        ("images", [{"y": right}], [{"y": right}]),
        ("noise", [{"y": right}], [{"y": wrong}]),
        ("more", [{"y": right}], [{"y": wrong}]),
    ]
    report = judge("f", TfliteTarget(), "tflite", sets)
    assert report.verdict == "fail"
    assert report.reason.startswith("on noise: y: ")
    assert [group.inputs for group in report.sets] == ["images", "noise", "more"]


def test_the_networks_own_error_is_asked_for_only_where_the_table_is_missed() -> None:
    reference = noise(0, 1, 50).astype(np.float64)
    asked = []

    def own(index: int) -> dict[str, float]:
        asked.append(index)
        return {"y": 1e-4}

    near = ("near", [{"y": reference}], [{"y": reference * (1 + 1e-6)}])
    off = ("off", [{"y": reference}], [{"y": reference * (1 + 3e-4)}])
    far = ("far", [{"y": reference}], [{"y": reference * (1 + 5e-4)}])
    report = judge("f", TfliteTarget(), "tflite", [near, off, far], own)
    assert asked == [1, 2]
    # 4 × 1e-4 in float32: 3e-4 is within, 5e-4 is not.
    assert report.reason.startswith("on far: y: ")
    assert [round(group.outputs[0].least_sqnr_db) for group in report.sets] == [100, 68, 68]
    assert judge("f", TfliteTarget(), "tflite", [near, off], own).verdict == "pass"


def test_each_output_has_the_bound_it_was_judged_by() -> None:
    reference = {"loose": noise(0, 1, 50), "tight": noise(1, 1, 50)}
    actual = {"loose": reference["loose"] * np.float32(1 + 3e-4), "tight": reference["tight"]}
    report = judge(
        "f", TfliteTarget(), "tflite", [("noise", [reference], [actual])], lambda _: {"loose": 1e-4}
    )
    (group,) = report.sets
    assert {row.output: round(row.least_sqnr_db) for row in group.outputs} == {
        "loose": 68,
        "tight": 100,
    }


def test_a_mask_of_one_channel_is_cut_at_zero_or_one_half() -> None:
    logits = np.array([[[[-2.0, -1e-7, 1e-7, 3.0]]]])
    turned = np.array([[[[-2.0, 1e-7, -1e-7, -3.0]]]])
    row = compare("mask", [logits], [turned], BOUND)
    assert (row.decided, row.agreed) == (2, 1)  # 1e-7 is within the error bound of 0
    probabilities = np.array([[0.9], [0.5], [0.2], [0.1]])
    turned = np.array([[0.8], [0.49], [0.6], [0.2]])
    row = compare("mask", [probabilities], [turned], BOUND)
    assert (row.decided, row.agreed) == (3, 2)
    depth = np.array([[1.0], [7.0]])
    assert compare("depth", [depth], [depth], BOUND).decided == 0


def test_one_negative_sample_makes_a_mask_logits_in_all() -> None:
    first, second = np.array([[0.4]]), np.array([[-1.0]])
    row = compare("mask", [first, second], [first, second], BOUND)
    assert (row.decided, row.agreed) == (2, 2)
    row = compare("mask", [first, second], [-first, second], BOUND)
    assert (row.decided, row.agreed) == (2, 1)


def test_the_networks_own_error_excuses_no_infinities() -> None:
    reference = noise(0, 1, 50)
    broken = reference.copy()
    broken[0, 0] = np.inf
    report = judge(
        "f",
        TfliteTarget(),
        "tflite",
        [("s", [{"y": reference}], [{"y": broken}])],
        lambda _: {"y": 9.0},
    )
    assert report.verdict == "fail"


def test_the_own_error_of_one_output_does_not_excuse_another() -> None:
    right, off = noise(0, 1, 50).astype(np.float64), noise(1, 1, 50).astype(np.float64)
    sets = [("s", [{"wild": right, "tame": right}], [{"wild": right * 1.1, "tame": off}])]
    report = judge("f", TfliteTarget(), "tflite", sets, lambda _: {"wild": 9.0, "tame": 1e-7})
    assert report.verdict == "fail"
    assert "tame" in report.reason


def test_no_own_error_excuses_an_output_that_has_nothing_of_the_networks() -> None:
    reference = noise(0, 1, 50).astype(np.float64)
    for wrong in (np.zeros_like(reference), -reference, reference * 1.5):
        sets = [("s", [{"y": reference}], [{"y": wrong}])]
        assert judge("f", TfliteTarget(), "tflite", sets, lambda _: {"y": 2.0}).verdict == "fail"


def test_classes_lie_along_the_second_axis() -> None:
    reference = np.array([[0.0, 5.0, 1.0], [3.0, 0.0, 1.0]])
    other = np.array([[0.0, 1.0, 5.0], [3.0, 0.0, 1.0]])
    assert agreement(reference, other, BOUND) == (2, 1)
    mask, turned = reference.T[None, :, :, None], other.T[None, :, :, None]
    assert agreement(mask, turned, BOUND) == (2, 1)


def test_near_ties_decide_nothing() -> None:
    bound = 1e-2
    reference = np.array([[1.0, 1.0 + 1e-4, 0.0], [2.0, 0.0, 0.0]])
    allowed = bound * math.sqrt(float(np.mean(reference**2)))
    assert 1e-4 < MARGIN_DEVIATIONS * allowed < 2
    flipped = np.array([[1.0, 1.0 - 1e-4, 0.0], [2.0, 0.0, 0.0]])
    assert agreement(reference, flipped, bound) == (1, 1)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (1, 2, 3, 4, 5)])
def test_outputs_without_classes_have_no_agreement(shape: tuple[int, ...]) -> None:
    values = noise(0, *shape)
    row = compare("y", [values], [values], BOUND)
    assert row.decided == 0
    assert row.agreement is None


def test_a_decided_class_that_differs_fails_though_the_energy_is_within_the_bound() -> None:
    # One pixel of a large mask names another class by a margin of 1, where the bound allows an RMS
    # error of 1e-2: the whole mask's energy hides it, the agreement does not.
    reference = np.zeros((1, 2, 200, 200))
    reference[:, 0] = 1.0
    other = reference.copy()
    other[0, :, 7, 9] = [0.0, 1.0]
    report = verdict(reference, other, CoremlTarget())
    assert report.sets[0].outputs[0].relative_l2 < 1e-2
    assert report.verdict == "fail"
    assert report.reason == "on noise: y: 1 of 40000 decided positions name another class"


@given(st.floats(1e-7, 1e-6), st.integers(0, 20))
def test_errors_within_the_bound_never_flip_a_decided_class(size: float, seed: int) -> None:
    reference = noise(seed, 4, 10).astype(np.float64)
    other = reference + size * noise(seed + 1, 4, 10)
    decided, agreed = agreement(reference, other, BOUND)
    assert decided == agreed
