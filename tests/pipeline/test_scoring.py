"""What a network is worth after each step, and its files, on several data sets."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchmetrics.functional.classification import multiclass_jaccard_index

from mobilekit import pipeline
from mobilekit.core.errors import RecipeError
from mobilekit.data.shapes import shapes
from mobilekit.nets.catalog import MobileHourglassConfig
from mobilekit.nets.sources import load_config
from mobilekit.pipeline.compressing import compress
from mobilekit.pipeline.request import ExportRequest, resolve
from mobilekit.pipeline.scoring import score
from mobilekit.recipe import read_recipe
from mobilekit.report import page, tables
from tests.noted import Noted

RECIPE = """
name = "two-sets"
net = { kind = "unet", width = 4, classes = 11, size = 32 }
data = { kind = "shapes", task = "segmentation", train = 16, test = 12 }
judged = [{ kind = "shapes", task = "segmentation", train = 16, test = 20, seed = 5 }]
judged_images = 8
targets = [{ kind = "tflite" }]
[[steps]]
kind = "train"
epochs = 1
batch_size = 8
[[steps]]
kind = "fold"
"""


def test_each_step_and_each_file_is_judged_on_every_set(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    request = ExportRequest(reference=str(tmp_path), out=tmp_path / "out", runs=0, image_count=2)
    folder, manifest = pipeline.export(request, lambda _words: None)
    trained, folded = manifest.steps
    for report in (trained, folded):
        own, further = report.metrics
        assert (own.images, further.images) == (8, 8)
        assert "seed 0" in own.data
        assert "seed 5" in further.data
        assert set(own.figures) == {"mean_iou", "mean_f1", "boundary_f", "pixel_accuracy"}
    for before, after in zip(trained.metrics, folded.metrics, strict=True):
        assert after.figures["mean_f1"] == pytest.approx(before.figures["mean_f1"], abs=1e-3)
    file = manifest.files[0]
    assert file.metric is not None
    (further,) = file.elsewhere
    assert (file.metric.images, further.images) == (8, 8)
    assert abs(file.metric.value - file.metric.network) <= 1e-3
    for name, value in folded.metrics[1].figures.items():  # of the same images
        assert further.figures[name] == pytest.approx(value, abs=1e-2)
    rows, columns = tables.stage_rows(manifest)
    assert [row["step"] for row in rows] == ["train", "fold"]
    assert columns[:4] == ("step", "parameters", "mean iou", "mean f1")
    assert "mean f1 (2)" in columns
    assert "Step by step" in page.render(manifest)
    assert json.loads((folder / "manifest.json").read_text())["steps"][0]["metrics"][1]["data"]


def test_the_score_of_a_network_is_that_of_its_answers(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    plan = resolve(ExportRequest(reference=str(tmp_path), out=tmp_path / "out"))
    source, _ = compress(plan.load(), plan, lambda _words: None)
    data = shapes("segmentation", "test", 40)
    (report,) = score(source.module, source, [data], 40)
    images = torch.stack([data[index][0] for index in range(40)])
    right = torch.stack([data[index][1] for index in range(40)])
    source.module.eval()
    with torch.no_grad():
        found = source.module((images - 0.5) / 0.5).argmax(1)
    expected = multiclass_jaccard_index(found, right, 11)
    assert report.value == pytest.approx(float(expected), abs=1e-6)


def test_a_mask_of_the_frame_before_is_empty_and_boxes_are_left_out() -> None:
    config = MobileHourglassConfig(
        features=4, expansion=1, stem="light", previous_mask=10, classes=11, size=32
    )
    source = load_config(config, name="video", arguments={}, weights=None, seed=0)
    sets = [shapes("segmentation", "test", 4), shapes("detection", "test", 4)]
    (report,) = score(source.module, source, sets, 4)
    images = torch.stack([sets[0][index][0] for index in range(4)])
    right = torch.stack([torch.as_tensor(sets[0][index][1]) for index in range(4)])
    source.module.eval()
    with torch.no_grad():
        found = source.module((images - 0.5) / 0.5, torch.zeros(4, 10, 32, 32)).argmax(1)
    assert report.figures["pixel_accuracy"] == pytest.approx(float((found == right).float().mean()))


def test_further_sets_need_data(tmp_path: Path) -> None:
    text = RECIPE.replace("data = { kind", "# {").split("[[steps]]")[0]
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(RecipeError, match="judged: needs a data set"):
        read_recipe(tmp_path)


def test_images_in_the_order_of_their_classes_are_judged_all_over(tmp_path: Path) -> None:
    data = shapes("segmentation", "test", 40, 32)
    noted = Noted(data)
    config = MobileHourglassConfig(features=4, expansion=1, classes=11, size=32)
    source = load_config(config, name="", arguments={}, weights=None, seed=0)
    (report,) = score(source.module, source, (replace(data, images=noted),), 4)
    assert report.images == 4
    assert noted.seen == [0, 10, 20, 30]


@pytest.mark.parametrize("kind", ["faces", "forgeries"])
def test_what_is_held_out_is_not_trained_on(kind: str, tmp_path: Path) -> None:
    data = '{ kind = "shapes", task = "segmentation", train = 16, test = 12 }'
    hard = f'{{ kind = "{kind}", style = "faces-hard" }}'
    (tmp_path / "recipe.toml").write_text(RECIPE.replace(data, hard, 1))
    with pytest.raises(RecipeError, match="data: faces-hard is there to judge on, never to train"):
        read_recipe(tmp_path)
