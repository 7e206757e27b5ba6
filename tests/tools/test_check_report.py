"""The checker of reports that Swift and Kotlin write."""

import json
import shutil
from pathlib import Path
from typing import Any

import check_report
import pytest

REPORTS = Path(__file__).parents[2] / "apps" / "testdata" / "reports"


def written(folder: Path, name: str = "ios.json", **changes: Any) -> list[str]:
    report = json.loads((REPORTS / name).read_text())
    samples = report["latency"]["inference"]["samples_ns"]
    report["latency"]["inference"] |= changes
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "samples.json").write_text(json.dumps(samples))
    return [str(folder / "report.json"), str(folder / "samples.json")]


def test_a_good_report(tmp_path: Path, capsys: Any) -> None:
    assert check_report.main(written(tmp_path)) == 0
    assert capsys.readouterr().out.startswith("report.json: ios, 40 runs, p50 ")


def test_other_samples(tmp_path: Path, capsys: Any) -> None:
    arguments = written(tmp_path)
    samples = json.loads(Path(arguments[1]).read_text())
    Path(arguments[1]).write_text(json.dumps(samples[:-1]))
    assert check_report.main(arguments) == 1
    assert "has 40 samples, was given 39" in capsys.readouterr().err
    Path(arguments[1]).write_text(json.dumps([*samples[:-1], 7]))
    assert check_report.main(arguments) == 1
    said = capsys.readouterr().err
    assert "was given 7 - at `$.latency.inference.samples_ns[39]`" in said
    assert said.count("\n") == 1


def test_statistics_are_recomputed_and_must_be_there(tmp_path: Path, capsys: Any) -> None:
    arguments = written(tmp_path)
    report = json.loads(Path(arguments[0]).read_text())
    report["latency"]["inference"]["summary"]["p90_ns"] += 1
    Path(arguments[0]).write_text(json.dumps(report))
    assert check_report.main(arguments) == 1
    assert "$.latency.inference.summary.p90_ns" in capsys.readouterr().err
    assert check_report.main(written(tmp_path, summary=None)) == 1
    assert "expected a summary" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(p.name for p in REPORTS.glob("invalid-*.json")))
def test_no_invalid_report_passes(name: str, tmp_path: Path, capsys: Any) -> None:
    shutil.copy(REPORTS / name, tmp_path / "report.json")
    (tmp_path / "samples.json").write_text("[1]")
    arguments = [str(tmp_path / "report.json"), str(tmp_path / "samples.json")]
    assert check_report.main(arguments) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_no_list_of_samples(tmp_path: Path, capsys: Any) -> None:
    arguments = written(tmp_path)
    for text in ("[]", "{}", "[1.5]", "[true]", "["):
        Path(arguments[1]).write_text(text)
        assert check_report.main(arguments) == 2
    assert check_report.main([]) == 2
    assert "usage" in capsys.readouterr().err
