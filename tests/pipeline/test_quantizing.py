"""Quantized files beside those of floats: which are made, from what, and what becomes of the artifact."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilekit import pipeline
from mobilekit.cli import options
from mobilekit.core import artifact, files
from mobilekit.core.errors import (
    ArtifactError,
    DataError,
    MobilekitError,
    RecipeError,
    UsageError,
)
from mobilekit.core.quantization import Quantization
from mobilekit.core.targets import CoremlTarget, OnnxTarget, TfliteTarget, file_name, variant_of
from mobilekit.data.catalog import DigitsConfig
from mobilekit.pipeline.delivering import families
from mobilekit.pipeline.mixing import Mixing, literal, mix
from mobilekit.pipeline.request import with_variants

FACTORY = """
import torch
from torch import nn

def small():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3, groups=8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 10),
    )
"""


def quiet(words: str) -> None:
    del words


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network's artifact with static and weight-only files, judged on digits."""
    folder = tmp_path_factory.mktemp("quantizing")
    (folder / "net.py").write_text(FACTORY)
    floats = options.parse_targets("tflite", {"layout": "nhwc"})
    targets = options.parse_quantized(floats, "int8,weights:int8", ["6=float"])
    request = pipeline.ExportRequest(
        reference=f"{folder / 'net.py'}:small",
        targets=targets,
        out=folder / "out",
        inputs=options.parse_inputs(["image=1x1x28x28"]),
        data=DigitsConfig(20, 12),
        data_count=12,
        calibrate_count=5,
        image_count=2,
        runs=0,
    )
    pipeline.export(request, quiet)
    return folder / "out"


def again(folder: Path, **options: object) -> pipeline.ExportRequest:
    return pipeline.ExportRequest(reference=str(folder), image_count=2, runs=0, **options)  # type: ignore[arg-type]


def test_files_are_made_from_that_of_floats_and_say_so(made: Path) -> None:
    manifest = artifact.read_manifest(made)
    artifact.check_files(made, manifest)
    assert [file.path for file in manifest.files] == [
        "model.tflite",
        "model-static-int8-mixed.tflite",
        "model-weights-int8-mixed.tflite",
    ]
    assert [file.parity.verdict for file in manifest.files] == ["pass"] * 3
    plain, static, weights = manifest.files
    assert plain.quantization == ()
    assert [row.layer for row in static.quantization] == ["0", "2", "6"]
    assert [row.stored for row in weights.quantization] == ["weights:int8", "weights:int8", "float"]
    assert static.quantization[2].sqnr_db == float("inf")
    assert all(30 < row.sqnr_db < 60 for row in weights.quantization[:2])
    assert {group.inputs for group in static.parity.sets} == {"images"}
    assert {group.inputs for group in weights.parity.sets} == {"images", "noise"}


def test_digits_calibrate_and_judge_a_network_of_digits(made: Path) -> None:
    manifest = artifact.read_manifest(made)
    assert manifest.calibrated_on.startswith("5 × train images of digits")
    assert len(manifest.calibration_sha256) == 64
    assert "test images of digits" in manifest.verified_on
    for file in manifest.files:
        assert file.metric is not None
        assert (file.metric.metric, file.metric.images) == ("accuracy", 12)
        assert abs(file.metric.value - file.metric.network) <= 0.25
    assert not any("not yours" in note for file in manifest.files for note in file.notes)


def test_a_form_is_added_and_the_file_of_floats_not_touched(made: Path) -> None:
    before = {path.name: files.sha256(path) for path in made.glob("*.tflite")}
    wanted = (("tflite", Quantization("dynamic:int8")),)
    _, manifest = pipeline.quantize(again(made), wanted, quiet)
    artifact.check_files(made, manifest)
    assert "model-dynamic-int8.tflite" in {file.path for file in manifest.files}
    assert all(files.sha256(made / name) == digest for name, digest in before.items())
    _, twice = pipeline.quantize(again(made), wanted, quiet)
    assert [one.path for one in twice.files] == [one.path for one in manifest.files]


def test_what_cannot_be_made_changes_nothing(made: Path) -> None:
    before = files.sha256(made / "manifest.json")
    pattern = (("tflite", Quantization("weights:int8", {"nowhere.*": "float"})),)
    with pytest.raises(MobilekitError, match=r"nowhere\.\*"):
        pipeline.quantize(again(made), pattern, quiet)
    with pytest.raises(ArtifactError, match="has no coreml file of floats"):
        pipeline.quantize(again(made), (("coreml", Quantization("weights:int8")),), quiet)
    with pytest.raises(RecipeError, match="tflite has no weights:palette4"):
        pipeline.quantize(again(made), (("tflite", Quantization("weights:palette4")),), quiet)
    assert files.sha256(made / "manifest.json") == before


def test_calibration_folders_are_looked_at(made: Path, tmp_path: Path) -> None:
    static = (("tflite", Quantization("static:int8")),)
    with pytest.raises(DataError, match=r"--calibrate .*: no such folder"):
        pipeline.quantize(again(made, calibrate=tmp_path / "none"), static, quiet)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"--calibrate .*: holds no image"):
        pipeline.quantize(again(made, calibrate=tmp_path / "empty"), static, quiet)
    generator = np.random.default_rng(0)
    for index in range(20):
        pixels = generator.integers(0, 256, (40, 30 + index, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index:02}.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "worse.png").write_bytes(b"none either")
    with pytest.raises(DataError, match=r"2 of 22 images cannot be read"):
        pipeline.quantize(again(made, calibrate=tmp_path), static, quiet)
    (tmp_path / "worse.png").unlink()
    _, manifest = pipeline.quantize(again(made, calibrate=tmp_path), static, quiet)
    assert manifest.calibrated_on.startswith("20 × images of")
    file = next(one for one in manifest.files if one.path == "model-static-int8.tflite")
    assert any("1 images cannot be read" in note for note in file.notes)


def test_a_form_per_layer_keeps_to_its_bits(made: Path) -> None:
    manifest = artifact.read_manifest(made)
    forms = ("weights:int4", "weights:int8")
    mixing = Mixing("tflite", forms, "mean_bits", 5.5)
    mixed = mix(made, manifest, mixing, 2, 0, quiet)
    assert mixed.mean_bits <= 5.5
    assert {mixed.quantization.form, *mixed.quantization.layers.values()} == set(forms)
    with pytest.raises(RecipeError, match="no choice of these forms takes"):
        mix(made, manifest, Mixing("tflite", forms, "mean_bits", 2.0), 2, 0, quiet)
    with pytest.raises(RecipeError, match="two forms or more"):
        mix(made, manifest, Mixing("tflite", forms[:1], "mean_bits", 8.0), 2, 0, quiet)
    some = ("weights:int8", "static:int8")
    with pytest.raises(ArtifactError, match="has no coreml file of floats"):
        mix(made, manifest, Mixing("coreml", forms, "mean_bits", 8.0), 2, 0, quiet)
    with pytest.raises(RecipeError, match="static:int8 differ"):
        mix(made, manifest, Mixing("tflite", some, "mean_bits", 8.0), 2, 0, quiet)
    exact = mix(made, manifest, Mixing("tflite", forms, "sqnr", 30.0), 2, 0, quiet)
    assert exact.expected_sqnr_db >= 30.0
    assert literal("a[0].b*") == "a[[]0].b[*]"


def test_families_have_one_file_of_floats() -> None:
    targets = (
        TfliteTarget(quantize="int8"), CoremlTarget(), CoremlTarget(quantize="weights:palette4"),
        TfliteTarget(quantize="dynamic:int8"), OnnxTarget(),
    )  # fmt: skip
    found = families(targets)
    assert [family.base for family in found] == [TfliteTarget(), CoremlTarget(), OnnxTarget()]
    assert [len(family.asked) for family in found] == [2, 2, 1]


def test_names_of_files_do_not_collide() -> None:
    targets = (
        TfliteTarget(), TfliteTarget("float16"), TfliteTarget(quantize="int8"),
        TfliteTarget(quantize="int8", layers={"a": "float"}),
        TfliteTarget(quantize="static:int8:integer-io"),
    )  # fmt: skip
    assert len({file_name(target) for target in targets}) == len(targets)
    assert len({variant_of(target) for target in targets}) == len(targets)


def test_a_command_line_s_forms_are_read() -> None:
    floats = (CoremlTarget(), TfliteTarget(), OnnxTarget())
    found = options.parse_quantized(floats, "int8,coreml=weights:palette4", [])
    assert [variant_of(one) for one in found] == [
        "float16", "static:int8", "weights:palette4", "float32", "static:int8", "float32",
    ]  # fmt: skip
    assert with_variants((TfliteTarget(),), found) == (
        TfliteTarget(),
        TfliteTarget(quantize="static:int8"),
    )
    with pytest.raises(UsageError, match="Did you mean coreml"):
        options.parse_quantized(floats, "coremo=int8", [])
    with pytest.raises(UsageError, match="only coreml and tflite"):
        options.parse_quantized((OnnxTarget(),), "int8", [])
    with pytest.raises(UsageError, match="--layer"):
        options.parse_quantized(floats, "int8", ["classifier"])
    with pytest.raises(UsageError, match="without --quantize"):
        options.parse_quantized(floats, "", ["a=float"])
    with pytest.raises(RecipeError, match="needs ios18"):
        options.parse_quantized((CoremlTarget(),), "weights:int4", [])
