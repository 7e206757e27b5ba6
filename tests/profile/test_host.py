from pathlib import Path

import pytest

from mobilekit.core.errors import ArtifactError, MachineError
from mobilekit.profile import host


def test_files_take_turns_after_their_warm_up(monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []

    def loader(path: Path, _threads: int) -> host.Call:
        return lambda: calls.append(path.stem)

    monkeypatch.setitem(host._LOADERS, ".tflite", loader)
    steps: list[int] = []
    reports = host.measure(
        [Path("a.tflite"), Path("b.tflite")], runs=3, warmup=2, progress=steps.append
    )
    assert calls == ["a", "b", *"ab", *"ababab"]  # first run, one more to warm up, then in turn
    assert steps == [1, 2, 3]
    assert [report.file for report in reports] == ["a.tflite", "b.tflite"]
    assert all(len(report.samples_ns) == 3 for report in reports)
    assert all(report.first_run_ns > 0 for report in reports)


def test_a_real_file_takes_time(tflite_file: Path):
    (report,) = host.measure([tflite_file], runs=5, warmup=1)
    assert len(report.samples_ns) == 5
    assert min(report.samples_ns) > 0
    assert report.load_ns > 0
    assert report.min_ms <= report.median_ms <= report.percentile_ms(99)
    assert report.threads == 1


def test_what_cannot_be_timed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host.sys, "platform", "linux")
    assert "macOS" in str(host.why_not(Path("m.mlpackage")))
    assert host.why_not(Path("m.onnx")) is None
    with pytest.raises(ArtifactError, match="not a model file"):
        host.why_not(Path("m.txt"))
    with pytest.raises(MachineError, match="macOS"):
        host.measure([Path("m.mlpackage")])


def test_a_truncated_file_is_one_line(tflite_file: Path):
    tflite_file.write_bytes(tflite_file.read_bytes()[:300])
    with pytest.raises(ArtifactError, match="cannot be run by LiteRT"):
        host.measure([tflite_file], runs=1)
