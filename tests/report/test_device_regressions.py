import msgspec
import numpy as np
import pytest
from scipy.stats import ranksums

from mobilekit.core.device_figures import Distribution
from mobilekit.core.device_words import Kind
from mobilekit.report.device_measurements import Measurement
from mobilekit.report.device_regressions import compare


def measured(
    samples: "np.ndarray", *, kind: Kind = "device", device: str = "phone", file: str = "a.tflite"
) -> Measurement:
    return Measurement(
        kind=kind, device=device, model="net", variant="float32", file=file, runtime="litert", asked="cpu",
        sha256="0" * 64, size_bytes=1, inference=Distribution(tuple(int(one) for one in samples)),
        load_ns=1, first_ns=1, source="x.json",
    )  # fmt: skip


def drawn(seed: int, scale: float = 1.0, count: int = 50) -> "np.ndarray":
    generator = np.random.default_rng(seed)
    return generator.normal(5e6, 2e5, count).clip(1) * scale


def test_a_slower_file_is_found_and_a_faster_one():
    found = compare([measured(drawn(1, 1.2))], [measured(drawn(2))], least=0.05)
    [change] = found.changes
    assert change.verdict == "slower"
    assert found.slower == (change,)
    assert 0.15 < change.change < 0.25
    found = compare([measured(drawn(1, 0.8))], [measured(drawn(2))], least=0.05)
    assert [one.verdict for one in found.changes] == ["faster"]
    assert not found.slower


def test_p_is_near_that_of_another_form_of_the_test():
    now, before = drawn(1, 1.02), drawn(2)
    [change] = compare([measured(now)], [measured(before)], least=0.0).changes
    # the rank-sum test without the correction for continuity
    assert change.p == pytest.approx(
        ranksums(now.astype(int), before.astype(int)).pvalue, rel=0.03, abs=1e-6
    )


def test_a_significant_change_that_is_small_does_not_count():
    [change] = compare(
        [measured(drawn(1, 1.03, 2000))], [measured(drawn(2, 1, 2000))], least=0.05
    ).changes
    assert change.p is not None
    assert change.p < 1e-6
    assert change.verdict == "same"


def test_the_same_distribution_is_seldom_called_different():
    pairs = [(measured(drawn(i)), measured(drawn(1000 + i))) for i in range(200)]
    alarms = sum(
        compare([now], [before], least=0.0).changes[0].verdict != "same" for now, before in pairs
    )
    assert alarms <= 8  # 2 are expected at 0.01; 9 or more have a chance below 0.0003


def test_many_rows_are_corrected_for():
    now = [measured(drawn(3), file=f"{i}.tflite") for i in range(20)]
    before = [measured(drawn(5), file=f"{i}.tflite") for i in range(20)]
    [alone] = compare(now[:1], before[:1], least=0.0).changes
    many = compare(now, before, least=0.0).changes
    assert alone.p is not None
    assert {one.p for one in many} == {min(20 * alone.p, 1.0)}


def test_other_conditions_are_not_compared():
    base = measured(drawn(1))
    for other in (
        measured(drawn(1), device="tablet"),
        measured(drawn(1), kind="simulator"),
        measured(drawn(1), file="b.tflite"),
    ):
        found = compare([other], [base], least=0.05)
        assert not found.changes
        assert len(found.only_now) == len(found.only_before) == 1


def test_emulated_times_are_never_compared():
    found = compare(
        [measured(drawn(1, 2), kind="emulated")], [measured(drawn(1), kind="emulated")], least=0.0
    )
    assert found.changes == found.only_now == found.only_before == ()


def test_without_single_runs_nothing_is_tested():
    short = measured(drawn(1, 3, 7))
    [change] = compare([short], [measured(drawn(2))], least=0.05).changes
    assert (change.verdict, change.p) == ("not tested", None)
    assert "fewer than 8" in change.reason
    assert change.change > 1


def test_several_measurements_of_the_same_are_put_together():
    whole = measured(drawn(1))
    halves = [
        msgspec.structs.replace(whole, inference=Distribution(whole.inference.samples_ns[part]))
        for part in (slice(0, 25), slice(25, None))
    ]
    base = [measured(drawn(2))]
    assert compare(halves, base, least=0.05) == compare([whole], base, least=0.05)
