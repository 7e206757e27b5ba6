"""`mobilekit sensitivity` as one types it."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from mobilekit import cli


def call(capfd, *arguments: object) -> tuple[int, str, str]:
    capfd.readouterr()
    code = cli.execute(["sensitivity", *map(str, arguments)])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def test_a_report_a_picture_and_a_table(capfd, tmp_path: Path) -> None:
    report, picture = tmp_path / "report.json", tmp_path / "layers.png"
    arguments = ("lenet-caffe", "--sparsities", "0.2,0.6", "--count", "2")
    code, out, err = call(
        capfd, *arguments, "--out", report, "--plot", picture, "--json", "--quiet"
    )
    assert code == 0, err
    found = json.loads(out)
    assert found == json.loads(report.read_text())
    rows = found["report"]["rows"]
    assert [(row["name"], row["sparsity"], row["removed"]) for row in rows] == [
        ("0", 0.2, 4), ("0", 0.6, 12), ("2", 0.2, 10), ("2", 0.6, 30),
    ]  # fmt: skip
    assert all(row["value"] > 0 for row in rows)
    assert np.asarray(Image.open(picture)).std() > 1
    code, out, _ = call(capfd, *arguments, "--quiet")
    assert code == 0
    assert "sqnr_db" in out


def test_labelled_data_and_groups(capfd) -> None:
    arguments = ("lenet-caffe", "--data", "digits", "--count", "20", "--sparsities", "0.5")
    code, out, err = call(capfd, *arguments, "--by", "group", "--json", "--quiet")
    assert code == 0, err
    report = json.loads(out)["report"]
    assert report["measure"] == "accuracy"
    assert 0 <= report["baseline"] <= 1
    assert "digits" in report["provenance"]


def test_wrong_lines(capfd, tmp_path: Path) -> None:
    for wrong in (
        ("--sparsities", "1.5"), ("--granularity", "filtr"), ("--layer", "conv9"), ("--data", "digit"),
        ("--plot", tmp_path / "picture.bmp"), ("--measure", "loss"),
    ):  # fmt: skip
        code, out, err = call(capfd, "lenet-caffe", *wrong, "--quiet")
        assert code == 2, wrong
        assert out == ""
        assert len(err.strip().splitlines()) == 1, err
