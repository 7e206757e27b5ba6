"""What the steps of a recipe share: data that follow the classes, and the network of the beginning."""

import inspect
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mobilekit.compress.registry import methods, options_of
from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import DataError, TrainingError
from mobilekit.pipeline.bench import _of_unit, stopped
from mobilekit.pipeline.compressing import Progress, compress
from mobilekit.pipeline.request import ExportRequest, Plan, resolve

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


class Interrupts:
    """Progress that is interrupted where it says some words, the `nth` time."""

    def __init__(self, words: str, nth: int = 1) -> None:
        self.words, self.left = words, nth

    def __call__(self, words: str) -> None:
        self.left -= self.words in words
        if not self.left:
            raise KeyboardInterrupt


def planned(folder: Path, recipe: str, *, resume: bool = False) -> Plan:
    (folder / "recipe.toml").write_text(recipe)
    return resolve(ExportRequest(reference=str(folder), out=folder / "out", resume=resume))


def ran(plan: Plan, progress: Progress = lambda _words: None) -> dict[str, Tensor]:
    """Return the weights that the steps leave."""
    return dict(compress(plan.load(), plan, progress)[0].module.state_dict())


HEAD = """
name = "two"
net = { kind = "lenet-caffe" }
data = { kind = "digits", train = 32, test = 16 }
targets = [{ kind = "tflite" }]
"""
ROUNDS = (
    HEAD
    + """
[[steps]]
kind = "sparsify_by_sensitivity"
drop = 1.0
rounds = 2
epochs = 2
batch_size = 16
images = 16
"""
)
TWICE = HEAD + 2 * '[[steps]]\nkind = "train"\nepochs = 2\nbatch_size = 16\n'


def test_rounds_are_gone_on_with_where_they_were_stopped(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = ran(planned(whole, ROUNDS))  # its data set is all that it needs
    with pytest.raises(KeyboardInterrupt):
        ran(planned(broken, ROUNDS), Interrupts("epoch 2 of 2:", nth=2))
    first, second = (
        broken / "out.training" / "1-sparsify_by_sensitivity" / f"round-{number}" / "last.ckpt"
        for number in (1, 2)
    )
    written = first.stat().st_mtime_ns
    assert torch.load(second, weights_only=True)["global_step"] == 2  # half of the round
    said: list[str] = []
    found = ran(planned(broken, ROUNDS, resume=True), said.append)
    assert first.stat().st_mtime_ns == written  # what had ended was not trained again
    assert [
        words.partition(":")[0] for words in said if "epoch" in words and "step" not in words
    ] == ["epoch 2 of 2"]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_new_run_forgets_the_checkpoints_of_the_former_one(tmp_path: Path) -> None:
    ran(planned(tmp_path, TWICE))
    own = tmp_path / "out.training" / "last.txt"
    own.write_text("a person's")
    later = tmp_path / "out.training" / "2-train" / "last.ckpt"
    assert later.is_file()
    edited = TWICE + "clip = 1.0\n"
    with pytest.raises(KeyboardInterrupt):
        ran(planned(tmp_path, edited), Interrupts("epoch 2 of 2:"))
    assert not later.exists()
    found = ran(planned(tmp_path, edited, resume=True))
    (tmp_path / "fresh").mkdir()
    expected = ran(planned(tmp_path / "fresh", edited))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert own.read_text() == "a person's"


def test_a_run_that_does_not_come_to_train_loses_nothing(tmp_path: Path) -> None:
    ran(planned(tmp_path, TWICE))
    kept = {path: path.read_bytes() for path in tmp_path.glob("out.training/*/last.ckpt")}
    assert len(kept) == 2
    with pytest.raises(DataError, match="fewer than a batch"):
        ran(planned(tmp_path, TWICE.replace("batch_size = 16", "batch_size = 64")))
    assert {path: path.read_bytes() for path in kept} == kept


def test_what_is_said_of_a_stop_is_what_is_there(tmp_path: Path) -> None:
    plan = planned(tmp_path, TWICE)
    assert stopped(plan.request) == ""
    folder = tmp_path / "out.training"
    (folder / "1-train").mkdir(parents=True)
    assert stopped(plan.request) == (
        f"interrupted before the first checkpoint in {folder}; no artifact was written"
    )
    (folder / "1-train" / "last.ckpt").write_bytes(b"")
    assert stopped(plan.request) == (
        f"interrupted; no artifact was written, and the training is kept in {folder}: mobilekit run --resume"
        " goes on with it"
    )


def test_a_step_that_reads_labelled_data_says_that_it_takes_them() -> None:
    """Else the run would not open the data set that its recipe names."""
    for method in methods():
        if method.place == "steps":
            made = options_of(method.kind)
            source = Path(str(inspect.getsourcefile(made))).read_text(encoding="utf-8")
            takes = "context.training" in source
            assert getattr(made, "takes_data", False) is takes, method.kind


def test_images_are_kept_in_shards_where_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    plain, kept = (
        resolve(ExportRequest(reference=str(tmp_path), out=tmp_path / f"out{cache}", cache=cache))
        for cache in (None, tmp_path / "cache")
    )
    first, _ = compress(plain.load(), plain, lambda _words: None)
    told: list[str] = []
    second, _ = compress(kept.load(), kept, told.append)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert any(words.startswith("drawing digits") for words in told)
    for one, other in zip(first.module.parameters(), second.module.parameters(), strict=True):
        assert torch.equal(one, other)
