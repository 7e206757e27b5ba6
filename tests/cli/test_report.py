"""`mobilekit report`: files and folders in, a table and a page out."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mobilekit import cli
from mobilekit.core.artifact import NO_COST, Manifest, ModelFile, write_manifest
from mobilekit.core.reports import LatencyReport, MetricReport, ParityReport
from mobilekit.core.targets import TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.profile.tables import LatencyRow, LatencyTable

REPORTS = Path(__file__).parents[2] / "apps" / "testdata" / "reports"


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capfd: Any, *arguments: object) -> tuple[int, str, str]:
    capfd.readouterr()
    code = cli.execute(["report", *map(str, arguments), "--quiet"])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def placed(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(REPORTS / f"{name}.json", folder)
    return folder


def artifact(folder: Path, sha256: str, name: str = "golden") -> Path:
    folder.mkdir(parents=True)
    spec = (TensorSpec("image", (1, 8, 8, 3), layout="NHWC"),)
    samples = tuple(range(9_000_000, 9_050_000, 1000))
    latency = LatencyReport("model.tflite", "tflite", "LiteRT", "a desk", 1, 1, samples, 0.0)
    parity = ParityReport("model.tflite", "tflite", "float32", "tflite", "pass")
    metric = MetricReport("mean_iou", 0.75, 0.76, 10, "faces")
    file = ModelFile(
        "model.tflite", TfliteTarget(), sha256, 12_345, spec, spec, parity, latency, metric=metric
    )
    manifest = Manifest(
        1, name, name, "given", "2026-01-01T00:00:00+00:00", spec, spec, NO_COST, (file,), "", {}, "noise"
    )  # fmt: skip
    write_manifest(folder, manifest)
    return folder


def sha_of(name: str) -> str:
    return str(json.loads((REPORTS / f"{name}.json").read_text())["model"]["sha256"])


def test_reports_and_an_artifact_come_together(capfd, inside: Path):
    placed(inside / "phones", "android")
    artifact(inside / "net", sha_of("android"))
    code, out, err = call(capfd, "phones", "net", "--json")
    assert code == 0, err
    found = json.loads(out)
    kinds = {one["kind"]: one for one in found["measurements"]}
    assert set(kinds) == {"host", "device"}
    assert kinds["device"]["metric"]["value"] == 0.75  # of the same file, from the manifest
    assert kinds["host"]["device"] == "a desk"
    page = (inside / "build" / "report.html").read_text()
    assert page.index("Measured on devices") < page.index("Measured on computers")
    code, out, _ = call(capfd, "phones", "net", "--out", "p.html")
    assert code == 0
    assert "Acme Phone 0" in out
    assert out.rstrip().endswith("p.html")


def test_an_artifact_s_operators_are_drawn(capfd, inside: Path):
    folder = artifact(inside / "net", "f" * 64)
    row = LatencyRow("model", "model.tflite", (), "float32", "LiteRT", "a desk", 1, (9, 9))
    kernel = msgspec.structs.replace(
        row, operator="Convolution <3×3>", name="model.tflite:0:CONV_2D 0", samples_ns=(4000, 6000)
    )
    table = folder / "latency-table.json"
    table.write_bytes(msgspec.json.encode(LatencyTable(1, (row, kernel))))
    code, out, err = call(capfd, "net", "--json")
    assert code == 0, err
    [found] = json.loads(out)["measurements"]
    [operator] = found["per_op"]
    assert (operator["name"], operator["mean_ns"]) == ("0:CONV_2D 0", 5000.0)
    assert "Convolution &lt;3×3&gt;" in (inside / "build" / "report.html").read_text()
    table.write_text("{")
    code, _, err = call(capfd, "net")
    assert code == 2
    assert "latency-table.json: is no latency table, or damaged" in err


def test_a_folder_is_searched_and_a_report_counts_once(capfd, inside: Path):
    placed(inside / "a" / "deep", "ios")
    placed(inside / "b", "ios", "android")
    (inside / "a" / "other.json").write_text('{"rows": []}')
    code, out, err = call(capfd, "a", "b", "b/ios.json", "--json")
    assert code == 0, err
    assert len(json.loads(out)["measurements"]) == 2


@pytest.mark.parametrize(
    ("name", "path"),
    [(one["file"], one["says"]) for one in json.loads((REPORTS / "index.json").read_text()) if not one["valid"]],
)  # fmt: skip
def test_an_invalid_report_is_named_with_its_key_path(name: str, path: str, capfd, inside: Path):
    shutil.copy(REPORTS / name, inside)
    for where in (name, "."):
        code, out, err = call(capfd, where)
        assert (code, out) == (2, "")
        assert name in err
        assert path in err
        assert err.count("\n") == 1
    assert not (inside / "build").exists()


def test_a_report_of_another_model_is_refused(capfd, inside: Path):
    placed(inside / "phones", "android")
    artifact(inside / "net", "f" * 64, name="another")
    code, _, err = call(capfd, "phones", "net")
    assert code == 2
    assert "phones/android.json: `$.model.sha256`" in err
    assert "none of the files of another" in err


def test_two_reports_with_one_number_are_refused(capfd, inside: Path):
    placed(inside / "a", "ios")
    changed = json.loads((REPORTS / "ios.json").read_text()) | {"errors": ["x"]}
    (inside / "b.json").write_text(json.dumps(changed))
    code, _, err = call(capfd, "a", "b.json")
    assert code == 2
    assert "b.json: `$.report_id`" in err


@pytest.mark.parametrize("made", ["empty", "missing", "untimed.json"])
def test_nothing_to_report_says_what_was_expected(made: str, capfd, inside: Path):
    if made == "empty":
        (inside / made).mkdir()
    elif made != "missing":
        (inside / made).write_text("{}")
    code, _, err = call(capfd, made)
    assert code == 2
    assert made in err
    assert err.count("\n") == 1


def slowed(path: Path, factor: float) -> None:
    report = json.loads(path.read_text())
    stage = report["latency"]["inference"]
    stage["samples_ns"] = [int(factor * one) for one in stage["samples_ns"]]
    del stage["summary"]
    path.write_text(json.dumps(report))


def test_a_regression_is_an_exit_code(capfd, inside: Path):
    placed(inside / "base", "ios", "android")
    placed(inside / "now", "ios", "emulated")
    slowed(inside / "now" / "ios.json", 1.3)
    code, out, err = call(capfd, "now", "--against", "base", "--json")
    assert code == 1, err
    found = json.loads(out)["comparison"]
    assert [one["verdict"] for one in found["changes"]] == ["slower"]
    assert len(found["only_before"]) == 1
    assert call(capfd, "now", "--against", "base", "--least", "0.5")[0] == 0
    assert call(capfd, "base", "--against", "now")[0] == 0  # faster
    code, out, err = call(capfd, "now", "--against", "base")
    assert code == 1
    assert "slower" in out
    assert "only in the base: device · Acme Phone 0" in err


def test_wrong_outputs_are_an_exit_code(capfd, inside: Path):
    report = json.loads((REPORTS / "ios.json").read_text())
    report["verification"]["passed"] = False
    (inside / "r.json").write_text(json.dumps(report))
    assert call(capfd, "r.json")[0] == 1


def test_a_page_that_cannot_be_written_is_the_machine_s(capfd, inside: Path):
    placed(inside, "ios")
    (inside / "taken").write_text("")
    code, _, err = call(capfd, "ios.json", "--out", "taken/p.html")
    assert code == 3
    assert "taken" in err
