from pathlib import Path

import pytest

from mobilekit.core.errors import ArtifactError, RuntimeUnavailableError
from mobilekit.profile.delegation import report_of, runs_of, xnnpack_profile
from mobilekit.profile.litert import Event
from mobilekit.profile.operators import Described

BEGIN = Event("Invoke", 1, 900, 0)


def run_of(*elapsed: int) -> list[Event]:
    conv, depthwise, add = elapsed
    return [
        Event("LiteRT::Run[buffer registration]", 1, 79, 0),
        BEGIN,
        Event("Convolution (NHWC, F32) IGEMM", 8, conv, 0),
        Event("DEPTHWISE_CONV_2D", 2, depthwise, 4),
        Event("Add (ND)", 8, add, 0),
        Event("Invoke", 32, 2**32, 2**64 - 1),
    ]


def test_operators_outside_the_back_end_are_found_with_their_share():
    timed = runs_of([*run_of(260, 590, 140), *run_of(260, 610, 140)])
    report = report_of(timed, (Described("CONV_2D 0", ((1, 2),), "float32"),) * 2 + (Described(),))
    assert [operator.operator for operator in report.operators] == [
        "Convolution (NHWC, F32) IGEMM", "DEPTHWISE_CONV_2D", "Add (ND)",
    ]  # fmt: skip
    assert report.operators[1].samples_ns == (590_000, 610_000)
    assert [operator.mean_ns for operator in report.operators] == [260_000, 600_000, 140_000]
    assert [operator.name for operator in report.operators] == [
        "0:CONV_2D 0", "1:CONV_2D 0", "2:Add (ND)",
    ]  # fmt: skip
    assert report.operators[0].shapes == ((1, 2),)
    assert report.fallen == ("DEPTHWISE_CONV_2D",)
    assert report.delegated == 2
    assert report.fallen_share == pytest.approx(0.6)


@pytest.mark.parametrize("events", [[], [BEGIN], [*run_of(1, 2, 3), BEGIN]])
def test_runs_that_are_not_alike_are_said(events: list[Event]):
    with pytest.raises(RuntimeUnavailableError, match="no operators in common"):
        runs_of(events)


def test_another_file_is_refused(tmp_path: Path):
    path = tmp_path / "x.tflite"
    path.write_bytes(b"no flat buffer at all")
    with pytest.raises(ArtifactError, match="TFL3"):
        xnnpack_profile(path)


def test_a_truncated_file_is_one_line_and_not_a_crash(tflite_file: Path):
    tflite_file.write_bytes(tflite_file.read_bytes()[:300])
    with pytest.raises((ArtifactError, RuntimeUnavailableError)) as caught:
        xnnpack_profile(tflite_file)
    assert "\n" not in str(caught.value)


def test_a_float_file_is_wholly_delegated(tflite_file: Path):
    report = xnnpack_profile(tflite_file, runs=5)
    assert report.delegated == len(report.operators) >= 3
    assert report.fallen_share == 0.0
    assert sum(operator.mean_ns for operator in report.operators) > 0


def test_every_operator_has_its_own_name_shapes_and_one_sample_per_run(tflite_file: Path):
    operators = xnnpack_profile(tflite_file, runs=5).operators
    assert len({operator.name for operator in operators}) == len(operators)
    assert {len(operator.samples_ns) for operator in operators} == {5}
    assert {operator.dtype for operator in operators} == {"float32"}
    # The layers of tests/profile/conftest.py, by hand; the depthwise one's padding is folded in.
    assert operators[0].shapes == ((1, 64, 64, 3), (16, 3, 3, 3), (16,))
    assert operators[1].shapes[1:] == ((1, 3, 3, 16), (16,))
    assert operators[-1].shapes == ((1, 16), (10, 16), (10,))
