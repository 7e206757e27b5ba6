from pathlib import Path

import pytest

from mobilekit.core.errors import ArtifactError, RuntimeUnavailableError
from mobilekit.profile.delegation import parsed, xnnpack_profile

SUMMARY = """
===== Run Order =====
      [node type]    [start]    [first]   [avg ms]        [%]     [cdf%]   [mem KB] [times called]   [Name]
  Delegate/Convolution (NHWC, F32) IGEMM  0.000  0.281  0.260  26.0%  26.0%  0.000  5  [Delegate]:0
  DEPTHWISE_CONV_2D      0.000      0.700      0.600     60.0%     86.0%      0.000              5   [net/conv]:4
  Delegate/Add (ND)      0.000      0.150      0.140     14.0%     100.0%      0.000              5   [Delegate]:1
===== Top by Computation Time =====
  DEPTHWISE_CONV_2D      0.000      0.700      0.600     60.0%     86.0%      0.000              5   [net/conv]:4
"""


def test_operators_outside_the_back_end_are_found_with_their_share():
    report = parsed(SUMMARY)
    assert [operator.operator for operator in report.operators] == [
        "Convolution (NHWC, F32) IGEMM", "DEPTHWISE_CONV_2D", "Add (ND)",
    ]  # fmt: skip
    assert [operator.mean_ns for operator in report.operators] == [260_000, 600_000, 140_000]
    assert report.fallen == ("DEPTHWISE_CONV_2D",)
    assert report.delegated == 2
    assert report.fallen_share == pytest.approx(0.6)


def test_a_summary_of_another_form_is_said():
    with pytest.raises(RuntimeUnavailableError, match="no operators"):
        parsed("nothing of the kind")


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
