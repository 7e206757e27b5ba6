"""A recipe's `quantize` step: its form reaches the files of both formats, and a contradiction is an error."""

from pathlib import Path

import pytest

from mobilekit import pipeline
from mobilekit.core import artifact
from mobilekit.core.errors import RecipeError
from mobilekit.pipeline.request import ExportRequest, resolve

RECIPE = """
name = "lenet"
seed = 3
net = {{ kind = "lenet-caffe" }}
data = {{ kind = "digits", train = 64, test = 16 }}
targets = [{targets}]

[[steps]]
kind = "train"
epochs = 1
batch_size = 8
during = [{{ kind = "quantize_aware", form = "static:int8" }}]

[[steps]]
kind = "quantize"
form = "static:int8"
layers = {{ "7" = "weights:int8" }}
calibrate_count = 3
"""
BOTH = '{ kind = "coreml" }, { kind = "tflite" }'


def recipe(folder: Path, targets: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(targets=targets))
    return path


def test_files_of_both_formats_are_made_in_the_step_s_form(tmp_path: Path) -> None:
    path = recipe(tmp_path, BOTH)
    request = ExportRequest(
        reference=str(path), out=tmp_path / "out", image_count=1, data_count=4, runs=0
    )
    _, manifest = pipeline.export(request, lambda _: None)
    assert manifest == artifact.read_manifest(tmp_path / "out")
    assert [file.path for file in manifest.files] == [
        "model-static-int8-mixed.mlpackage",
        "model-static-int8-mixed.tflite",
    ]
    for file in manifest.files:
        stored = {row.layer: row.stored for row in file.quantization}
        assert stored == dict.fromkeys(("0", "2", "5"), "static:int8") | {"7": "weights:int8"}
        assert any("range of training (quantize_aware)" in note for note in file.notes)
    assert manifest.calibrated_on.startswith("3 × train images of digits")
    assert [step.kind for step in manifest.steps] == ["train", "quantize"]


def test_another_form_of_a_target_is_an_error_before_anything_is_built(tmp_path: Path) -> None:
    path = recipe(tmp_path, BOTH.replace('"tflite"', '"tflite", quantize = "weights:int4"'))
    with pytest.raises(RecipeError, match=r"targets\[1\]: quantize: weights:int4, and the step"):
        resolve(ExportRequest(reference=str(path)))


def test_a_command_line_s_forms_are_made_beside(tmp_path: Path) -> None:
    path = recipe(tmp_path, '{ kind = "tflite" }')
    from mobilekit.core.targets import TfliteTarget

    wanted = (TfliteTarget(quantize="weights:int8"),)
    plan = resolve(ExportRequest(reference=str(path), default_targets=wanted))
    assert [getattr(one, "quantize", "") for one in plan.targets] == ["static:int8", "weights:int8"]
