from pathlib import Path

import pytest

from mobilekit.core import files
from mobilekit.core.artifact import (
    GOLDEN_INPUTS,
    GOLDEN_OUTPUTS,
    NO_COST,
    PROGRAM,
    Manifest,
    ModelFile,
    write_manifest,
)
from mobilekit.core.errors import ArtifactError
from mobilekit.core.reports import ParityReport
from mobilekit.core.targets import CoremlTarget, Target, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.pipeline.device_profiling import subjects_of

SPEC = (TensorSpec("image", (1, 8, 8, 3), layout="NHWC"),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An artifact with a LiteRT file of floats, a smaller one, and a Core ML package."""
    place = tmp_path / "net"
    for name in (PROGRAM, GOLDEN_INPUTS, GOLDEN_OUTPUTS, "model.mlpackage/Manifest.json"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    for name in ("model.tflite", "model-float16.tflite"):
        (place / name).write_text(f"TFL3 {name}")
    made = tuple(
        described(place, name, target)
        for name, target in (
            ("model.tflite", TfliteTarget()),
            ("model-float16.tflite", TfliteTarget("float16")),
            ("model.mlpackage", CoremlTarget()),
        )
    )
    golden = {name: files.sha256(place / name) for name in (GOLDEN_INPUTS, GOLDEN_OUTPUTS)}
    program = files.sha256(place / PROGRAM)
    write_manifest(
        place,
        Manifest(
            1, "hourglass", "x", "given", "2026-01-01T00:00:00+00:00", SPEC, SPEC, NO_COST, made, program,
            golden, "noise",
        ),
    )  # fmt: skip
    return place


def described(place: Path, name: str, target: Target) -> ModelFile:
    digest, size = files.sha256(place / name), files.size_bytes(place / name)
    parity = ParityReport(name, "x", "x", "x", "pass")
    return ModelFile(name, target, digest, size, SPEC, SPEC, parity)


def test_an_artifact_gives_the_files_of_a_kind_with_its_names(folder: Path):
    found = subjects_of(folder, ".tflite")
    assert [(one.name, one.variant, one.file) for one in found] == [
        ("hourglass", "float32", "model.tflite"),
        ("hourglass", "float16", "model-float16.tflite"),
    ]
    assert all(one.sha256 == files.sha256(one.path) for one in found)
    [package] = subjects_of(folder, ".mlpackage")
    assert package.size_bytes == len("model.mlpackage/Manifest.json")


def test_a_file_of_an_artifact_has_its_names_too(folder: Path):
    [one] = subjects_of(folder / "model-float16.tflite", ".tflite")
    assert (one.name, one.variant) == ("hourglass", "float16")
    [one] = subjects_of(folder / "model.mlpackage", ".mlpackage")
    assert one.name == "hourglass"


def test_a_file_alone_is_called_by_its_own_name(tmp_path: Path):
    (tmp_path / "mine.tflite").write_text("TFL3")
    [one] = subjects_of(tmp_path / "mine.tflite", ".tflite")
    assert (one.name, one.variant, one.file, one.size_bytes) == ("mine", "", "mine.tflite", 4)


def test_a_changed_file_is_not_measured(folder: Path):
    (folder / "model.tflite").write_text("TFL3 other")
    with pytest.raises(ArtifactError, match="not what"):
        subjects_of(folder, ".tflite")


@pytest.mark.parametrize(
    ("name", "says"), [("none", "no such file"), ("net/model.tflite", "holds no .mlp")]
)
def test_what_the_device_does_not_run_is_said(name: str, says: str, folder: Path):
    with pytest.raises(ArtifactError, match=says):
        subjects_of(folder.parent / name, ".mlpackage")
