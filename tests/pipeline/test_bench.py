"""What the steps of a recipe share: data that follow the classes, and the network of the beginning."""

import json
from pathlib import Path

import pytest

from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import TrainingError
from mobilekit.pipeline.bench import _of_unit
from mobilekit.pipeline.compressing import compress
from mobilekit.pipeline.request import ExportRequest, resolve

RECIPE = """
name = "three"
net = { kind = "lenet-caffe" }
data = { kind = "digits", train = 200, test = 100 }
targets = [{ kind = "tflite" }]
[[steps]]
kind = "specialize"
keep = ["7", "3"]
[[steps]]
kind = "train"
epochs = 1
batch_size = 8
during = [{ kind = "distill", beta = 0.5 }]
"""


def test_after_specialization_data_and_teacher_have_the_kept_classes(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    plan = resolve(ExportRequest(reference=str(tmp_path), out=tmp_path / "out"))
    source, (cut, trained) = compress(plan.load(), plan, lambda _words: None)
    assert source.labels == ("3", "7")
    assert source.weights == "trained"
    assert source.module[-1].out_features == 2
    assert cut.kept_classes == (3, 7)
    assert "3, 7 only (40 images)" in trained.notes[0]
    folder = tmp_path / "out.training" / "2-train"
    assert json.loads((folder / "history.json").read_text())["metric"] == "accuracy"


def test_there_must_be_a_training_to_resume(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    plan = resolve(ExportRequest(reference=str(tmp_path), out=tmp_path / "out", resume=True))
    with pytest.raises(TrainingError, match="no training to go on with"):
        compress(plan.load(), plan, lambda _words: None)


def test_pixels_of_0_to_1_get_the_same_values_as_those_of_0_to_255() -> None:
    normalization = Normalization((0.4, 0.5), (0.2, 0.25), 1 / 255)
    mean, deviation = _of_unit(normalization)
    for channel in range(2):
        expected = (128 * normalization.scale - normalization.mean[channel]) / normalization.std[
            channel
        ]
        assert (128 / 255 - mean[channel]) / deviation[channel] == pytest.approx(expected)
