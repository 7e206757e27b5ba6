"""The shared vectors, recomputed by plain arithmetic that shares no code with what wrote them."""

import json
import math
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from mobilekit.core.artifact import Manifest
from mobilekit.core.device_checks import parse_report
from mobilekit.core.errors import ArtifactError
from mobilekit.report import overlay

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "apps" / "testdata"


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def cases(name: str) -> Any:
    found = load(name)
    return pytest.mark.parametrize("case", found, ids=[str(i) for i in range(len(found))])


def test_the_files_are_those_of_the_generator():
    done = subprocess.run(
        [sys.executable, "tools/app_testdata.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@cases("statistics.json")
def test_statistics(case: Any):
    samples = case["samples_ns"]
    said = case["summary"]
    count = len(samples)
    for percent in (50, 90, 95, 99):
        # by definition: the smallest sample with at least that share at or below it
        enough = [x for x in samples if 100 * sum(y <= x for y in samples) >= percent * count]
        assert said[f"p{percent}_ns"] == min(enough)
    mean = Fraction(sum(samples), count)
    variance = sum((x - mean) ** 2 for x in samples) / count
    assert said["mean_ns"] == pytest.approx(float(mean), rel=1e-12)
    assert said["stddev_ns"] == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert (said["n"], said["min_ns"], said["max_ns"]) == (count, min(samples), max(samples))


@cases("masks.json")
def test_masks(case: Any):
    _, *sizes = case["shape"]
    classes, height, width = sizes if case["layout"] == "NCHW" else (sizes[2], sizes[0], sizes[1])
    for pixel, winner in enumerate(case["mask"]):
        if case["layout"] == "NCHW":
            scores = [case["logits"][number * height * width + pixel] for number in range(classes)]
        else:
            scores = case["logits"][pixel * classes : (pixel + 1) * classes]
        assert scores[winner] == max(scores)
        assert max(scores[:winner], default=-math.inf) < scores[winner]


def test_some_masks_have_ties():
    ties = [case for case in load("masks.json") if case["name"] == "ties, NHWC"]
    [case] = ties
    pixels = np.reshape(case["logits"], (-1, 4))
    assert ((pixels == pixels.max(1, keepdims=True)).sum(1) > 1).any()


@cases("colours.json")
def test_colours(case: Any):
    palette = overlay.palette(tuple(case["colours"]), len(case["colours"]))
    shown = np.reshape(case["rgba"], (-1, 4))
    assert len(shown) == len(case["mask"])
    for number, pixel in zip(case["mask"], shown.tolist(), strict=True):
        expected = [*palette[number].tolist(), 255] if number else [0, 0, 0, 0]
        assert pixel == expected


def pixels_of(name: str) -> list[list[tuple[int, int, int]]]:
    """Read a PPM without a library."""
    magic, size, most, content = (FOLDER / name).read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    assert (magic, most, len(content)) == (b"P6", b"255", 3 * width * height)
    triples = [tuple(content[at : at + 3]) for at in range(0, len(content), 3)]
    return [triples[row * width : (row + 1) * width] for row in range(height)]  # type: ignore[misc]


def taps(source: int, target: int, at: int) -> list[tuple[int, Fraction]]:
    step = Fraction(source, target)
    reach = max(step, Fraction(1))
    centre = (at + Fraction(1, 2)) * step
    found = [(i, 1 - abs(i + Fraction(1, 2) - centre) / reach) for i in range(source)]
    kept = [(i, weight) for i, weight in found if weight > 0]
    total = sum((weight for _, weight in kept), Fraction(0))
    return [(i, weight / total) for i, weight in kept]


def centred(width: int, height: int, rows: int, columns: int) -> dict[str, int]:
    scale = min(Fraction(width, columns), Fraction(height, rows))
    inner = [math.floor(n * scale + Fraction(1, 2)) for n in (columns, rows)]
    return {
        "left": (width - inner[0]) // 2, "top": (height - inner[1]) // 2,
        "width": inner[0], "height": inner[1],
    }  # fmt: skip


@cases("preprocess.json")
def test_preprocess(case: Any):
    picture = pixels_of(case["image"])
    _, *sizes = case["shape"]
    rows, columns = sizes[1:] if case["layout"] == "NCHW" else sizes[:2]
    box = case["box"] or centred(len(picture[0]), len(picture), rows, columns)
    assert case["used_box"] == box
    values = iter(case["values"])
    planar = case["layout"] == "NCHW"
    order = (
        [(y, x, c) for c in range(3) for y in range(rows) for x in range(columns)]
        if planar
        else [(y, x, c) for y in range(rows) for x in range(columns) for c in range(3)]
    )
    for y, x, channel in order:
        exact = sum(
            down * along * picture[box["top"] + i][box["left"] + j][channel]
            for i, down in taps(box["height"], rows, y)
            for j, along in taps(box["width"], columns, x)
        )
        found = next(values)
        if case["dtype"] == "uint8":
            half = exact + Fraction(1, 2)
            assert abs(half - round(half)) > 1e-9  # no value that a last bit could push over
            assert found == math.floor(exact + Fraction(1, 2))
        else:
            assert found == pytest.approx(struct.unpack("f", struct.pack("f", exact))[0], rel=1e-6)
    assert next(values, None) is None


def test_preprocessing_is_that_of_the_training_to_a_level():
    [case] = [
        one for one in load("preprocess.json")
        if one["image"] == "images/upright.ppm" and one["dtype"] == "uint8"
    ]  # fmt: skip
    box = case["used_box"]
    corners = (
        box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"],
    )  # fmt: skip
    with Image.open(FOLDER / case["image"]) as picture:
        other = picture.resize((8, 8), Image.Resampling.BILINEAR, corners)
    # Pillow rounds between the passes as well
    found = np.reshape(case["values"], (8, 8, 3))
    assert np.abs(found - np.asarray(other, np.int64)).max() <= 1


def schema() -> Any:
    text = (ROOT / "schemas" / "device-report.schema.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


BEYOND_SCHEMA = {
    "invalid-kind.json", "invalid-empty.json", "invalid-count.json", "invalid-percentile.json",
    "invalid-mean.json", "invalid-thermal.json",
}  # fmt: skip
"""What contradicts itself, which a schema cannot say."""


@cases("reports/index.json")
def test_reports_are_taken_or_refused_with_their_key_path(case: Any):
    path = FOLDER / "reports" / case["file"]
    fits = schema().is_valid(json.loads(path.read_text()))
    assert fits == (case["valid"] or case["file"] in BEYOND_SCHEMA)
    if case["valid"]:
        assert parse_report(path.read_bytes(), case["file"]).model.name == "golden"
        return
    with pytest.raises(ArtifactError, match=r"^invalid-") as caught:
        parse_report(path.read_bytes(), case["file"])
    assert case["says"] in str(caught.value)


def test_the_contract_names_what_the_manifest_has():
    contract = load("contract.json")
    assert set(contract["ios_thermal"].values()) <= set(contract["thermal"])
    assert contract["thermal"].index("severe") == 3  # Android's THERMAL_STATUS_SEVERE
    assert {"labels", "colours", "state", "normalization"} <= set(Manifest.__struct_fields__)
