import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core.device_checks import parse_report, read_report, summarize
from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.errors import ArtifactError

REPORTS = Path(__file__).parents[2] / "apps" / "testdata" / "reports"


def plain(name: str = "ios") -> Any:
    return json.loads((REPORTS / f"{name}.json").read_text())


def refusal(content: Any) -> str:
    with pytest.raises(ArtifactError) as caught:
        parse_report(json.dumps(content).encode(), "r.json")
    return str(caught.value)


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=60))
def test_statistics_are_in_order_and_within_the_samples(samples: list[int]):
    found = summarize(tuple(samples))
    assert found.p90_ns is not None
    assert found.p99_ns is not None
    ranks = [found.min_ns, found.p50_ns, found.p90_ns, found.p95_ns, found.p99_ns, found.max_ns]
    assert ranks == sorted(ranks)
    assert set(ranks) <= set(samples)
    assert found.min_ns <= found.mean_ns * (1 + 1e-12)
    assert found.mean_ns <= found.max_ns * (1 + 1e-12)


def test_a_report_survives_json():
    before = read_report(REPORTS / "ios.json")
    assert msgspec.json.decode(msgspec.json.encode(before), type=DeviceReport) == before


def test_residency_is_what_left_the_plain_cpu():
    assert read_report(REPORTS / "ios.json").runtime.residency == 0.9  # 90 of 100
    assert read_report(REPORTS / "android.json").runtime.residency == 1.0
    assert read_report(REPORTS / "emulated.json").runtime.residency is None


def test_acceleration_that_its_own_count_denies_is_refused():
    report = plain("android")
    report["runtime"]["delegate"]["delegated"] = 119
    assert "only 119 of 120 nodes" in refusal(report)
    assert "`$.runtime.fully_accelerated`" in refusal(report)
    report["runtime"]["delegate"]["delegated"] = 121
    assert "`$.runtime.delegate.delegated`" in refusal(report)


def test_statistics_without_samples_must_be_possible():
    report = plain("no-samples")
    report["protocol"]["runs"] = 41
    assert "expected 41" in refusal(report)
    assert "`$.latency.inference.summary.n`" in refusal(report)
    report = plain("no-samples")
    report["latency"]["inference"]["summary"]["p50_ns"] = 3_800_000  # above p95
    assert "grow from min_ns to max_ns - at `$.latency.inference.summary`" in refusal(report)


def test_thermal_samples_run_forward():
    report = plain()
    report["thermal"]["samples"].reverse()
    assert "`$.thermal.samples`" in refusal(report)


@pytest.mark.parametrize("text", [b"", b"{", b"[NaN]", b'{"a": 1e999}', b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused_in_one_line(text: bytes):
    with pytest.raises(ArtifactError, match=r"^r\.json: is not valid JSON") as caught:
        parse_report(text, "r.json")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_newer_version_say_so(tmp_path: Path):
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_report(tmp_path / "none.json")
    assert "schema_version 2 is newer" in refusal(plain() | {"schema_version": 2})
    assert "schema_version" in refusal(plain() | {"schema_version": "1.0"})
