"""Lines of an ablation: what changes from one to the next, and what is run again."""

import json
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import save_file

from mobilekit import pipeline
from mobilekit.core.artifact import PROGRAM, read_manifest
from mobilekit.core.errors import ArtifactError, RecipeError, StoppedError, UsageError
from mobilekit.nets.catalog import LenetCaffeConfig
from mobilekit.nets.sources import load_config
from mobilekit.pipeline import bench
from mobilekit.pipeline.ablation import ablate, read_ablation
from mobilekit.pipeline.request import ExportRequest
from mobilekit.report import ablation_table
from mobilekit.runtime import program as programs

TEXT = """
name = "small"
seed = 5
net = { kind = "lenet-caffe" }
data = { kind = "digits", train = 64, test = 32 }
targets = [{ kind = "tflite" }]
seeds = 2
steps = [{ kind = "train", epochs = 1, batch_size = 32 }]
[[lines]]
name = "plain"
[[lines]]
name = "+ faster"
set = { "steps[0].optimizer" = { lr = 5e-3 } }
[[lines]]
name = "+ pruning"
add = [{ kind = "prune", sparsity = 0.5 }]
"""


def test_each_line_changes_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "lines.toml").write_text(TEXT)
    lines, seeds = read_ablation(tmp_path / "lines.toml")
    assert seeds == 2
    assert [name for name, _ in lines] == ["plain", "+ faster", "+ pruning"]
    plain, faster, pruned = (recipe for _, recipe in lines)
    assert "optimizer" not in plain.steps[0]
    assert faster.steps[0]["optimizer"] == pruned.steps[0]["optimizer"] == {"lr": 5e-3}
    assert [step["kind"] for step in pruned.steps] == ["train", "prune"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"steps[0].optimizer"', '"steps[3].optimizer"', "faster': set: .*no such place"),
        ('"+ faster"', '"plain"', "a name of its own"),
        ("sparsity = 0.5", "sparsty = 0.5", "'\\+ pruning'.*sparsty"),
        ("seeds = 2", "seeds = 0", "seeds"),
        ("lr = 5e-3", "lr = -1.0", "'\\+ faster'"),
    ],
)
def test_lines_that_cannot_be(old: str, new: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "lines.toml").write_text(TEXT.replace(old, new))
    with pytest.raises(RecipeError, match=words):
        read_ablation(tmp_path / "lines.toml")


def test_lines_are_run_once_and_put_into_one_table(tmp_path: Path) -> None:
    path = tmp_path / "lines.toml"
    path.write_text(TEXT.replace("seeds = 2", "seeds = 1"))
    assert pipeline.is_ablation(path)
    request = ExportRequest(reference=str(path), out=tmp_path / "out", runs=2, image_count=2)
    told: list[str] = []
    first = ablate(request, told.append)
    assert sum(words.startswith("converting") for words in told) == 3
    plain, _, pruned = first.results
    assert pruned.params < plain.params
    assert pruned.files[0].size_bytes < plain.files[0].size_bytes
    assert pruned.megabits < plain.megabits == pytest.approx(32 * plain.params_nonzero / 1e6)
    assert json.loads((tmp_path / "out" / "ablation.json").read_text())["results"][2]["macs"]

    told.clear()
    path.write_text(
        TEXT.replace("seeds = 2", "seeds = 1").replace("sparsity = 0.5", "sparsity = 0.25")
    )
    second = ablate(request, told.append)
    assert sum(words.startswith("converting") for words in told) == 1
    assert second.results[:2] == first.results[:2]
    assert second.results[2].params > pruned.params

    rows = ablation_table.rows(second)
    assert [row["line"] for row in rows] == ["plain", "", "+ faster", "", "+ pruning", ""]
    assert {"accuracy", "loss", "host ms"} <= set(ablation_table.columns(second))
    assert rows[1]["file"] == "tflite float32"
    assert ablation_table.notes(second)[0].startswith("(1) digits")


def test_a_recipe_is_no_ablation(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(TEXT.split("[[lines]]", maxsplit=1)[0])
    (tmp_path / "broken.toml").write_text("= lines")
    assert not pipeline.is_ablation(tmp_path / "recipe.toml")
    assert not pipeline.is_ablation(tmp_path / "broken.toml")
    assert not pipeline.is_ablation(tmp_path)


SHARED = """
name = "small"
seed = 5
net = { kind = "lenet-caffe" }
data = { kind = "digits", train = 64, test = 32 }
targets = [{ kind = "tflite" }]
steps = [{ kind = "train", epochs = 2, batch_size = 32 }]
[[lines]]
name = "plain"
[[lines]]
name = "+ pruning"
add = [
  { kind = "train", epochs = 1, batch_size = 32, during = [{ kind = "sparsify" }] },
  { kind = "prune", sparsity = 0.5 },
]
[[lines]]
name = "+ halves"
set = { "targets" = [{ kind = "tflite", quantize = "float16" }] }
[[lines]]
name = "slower"
set = { "steps[0].optimizer" = { lr = 1e-4 } }
"""


def test_steps_that_lines_have_in_common_are_trained_once(tmp_path: Path) -> None:
    path = tmp_path / "lines.toml"
    path.write_text(SHARED)
    request = ExportRequest(reference=str(path), out=tmp_path / "out", runs=2, image_count=2)
    told: list[str] = []
    table = ablate(request, told.append)
    epochs = [words.partition(",")[0].partition(":")[0] for words in told if ": accuracy" in words]
    assert epochs == 2 * ["epoch 1 of 2", "epoch 2 of 2", "epoch 1 of 1"]
    taken = [words for words in told if words.startswith("taking")]
    assert taken == [
        "taking what 01-plain-5 has trained: 1-train",
        "taking what 02-pruning-5 has trained: 1-train",
        "taking what 02-pruning-5 has trained: 2-train",
    ]

    lines, _ = read_ablation(path)
    alone = ExportRequest(
        reference=str(path), out=tmp_path / "alone", runs=2, image_count=2, recipe=lines[2][1]
    )
    _, manifest = pipeline.export(alone, lambda _words: None)
    whole = read_manifest(tmp_path / "out" / "03-halves-5")
    assert whole.steps[-1].params_after == manifest.steps[-1].params_after
    assert [step.metrics for step in whole.steps] == [step.metrics for step in manifest.steps]
    shared, trained = (
        programs.weights_of(programs.load(folder / PROGRAM))
        for folder in (tmp_path / "out" / "03-halves-5", tmp_path / "alone")
    )
    assert shared.keys() == trained.keys()
    assert all(torch.equal(shared[name], trained[name]) for name in shared)
    assert table.results[2].params == whole.cost.params


def test_keys_that_are_no_path_are_refused(tmp_path: Path) -> None:
    for keys in ("", "steps[0]mixup", "steps[0]..epochs", "steps[-1].epochs"):
        (tmp_path / "lines.toml").write_text(TEXT.replace("steps[0].optimizer", keys))
        with pytest.raises(RecipeError, match="is no key path, such as"):
            read_ablation(tmp_path / "lines.toml")


def test_several_devices_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lines.toml").write_text(TEXT)
    request = ExportRequest(
        reference=str(tmp_path / "lines.toml"), out=tmp_path / "out", flags={"devices": 2}
    )
    with pytest.raises(UsageError, match="an ablation runs its lines one after the other"):
        ablate(request, print)


def test_lines_do_not_go_where_an_artifact_is(tmp_path: Path) -> None:
    (tmp_path / "lines.toml").write_text(TEXT)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text("{}")
    request = ExportRequest(reference=str(tmp_path / "lines.toml"), out=tmp_path / "out")
    with pytest.raises(ArtifactError, match="out: holds an artifact, not lines"):
        ablate(request, print)


def test_a_line_that_is_stopped_says_where_its_checkpoint_lies(tmp_path: Path) -> None:
    path = tmp_path / "lines.toml"
    path.write_text(SHARED)
    request = ExportRequest(reference=str(path), out=tmp_path / "out", runs=2, image_count=2)

    def stop(words: str) -> None:
        if words.startswith("epoch 1 of 1:"):
            raise KeyboardInterrupt

    with pytest.raises(StoppedError, match=r"kept in .*02-pruning-5\.training.* --resume"):
        ablate(request, stop)
    assert bench.stopped(request) == ""  # between two lines
    told: list[str] = []
    ablate(msgspec.structs.replace(request, resume=True), told.append)
    epochs = [words.partition(",")[0].partition(":")[0] for words in told if ": accuracy" in words]
    assert epochs[-2:] == ["epoch 2 of 2", "epoch 1 of 1"]
    assert "line 1 of 4: plain, seed 5" in told
    assert sum(words.startswith("converting") for words in told) == 3  # the first was done


def test_other_weights_to_begin_with_are_another_line(tmp_path: Path) -> None:
    path, weights = tmp_path / "lines.toml", tmp_path / "weights.safetensors"
    whole = SHARED.split('[[lines]]\nname = "+ pruning', maxsplit=1)[0]
    path.write_text(whole.replace('"lenet-caffe" }', f'"lenet-caffe", weights = "{weights}" }}'))
    request = ExportRequest(reference=str(path), out=tmp_path / "out", runs=2, image_count=2)
    for seed, expected in ((0, 1), (0, 0), (1, 1)):
        net = load_config(LenetCaffeConfig(), name="", arguments={}, weights=None, seed=seed)
        save_file(net.module.state_dict(), weights)
        told: list[str] = []
        ablate(request, told.append)
        assert sum(words.startswith("converting") for words in told) == expected
