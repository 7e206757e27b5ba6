"""A recipe's result becomes a network that ships, and is found by its name."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mobilekit import cli, pipeline
from mobilekit.core.errors import ArtifactError, ModelError, RecipeError
from mobilekit.core.targets import TfliteTarget
from mobilekit.nets import shipped
from mobilekit.nets.sources import load_source
from mobilekit.pipeline.request import ExportRequest
from mobilekit.pipeline.shipping import data_digest, ship
from mobilekit.recipe import read_recipe
from mobilekit.runtime import program as programs

RECIPE = """
name = "tiny"
seed = 3
net = { kind = "unet", width = 4, classes = 11, size = 32 }
data = { kind = "shapes", task = "segmentation", train = 16, test = 8 }
targets = [{ kind = "tflite" }]
[[steps]]
kind = "train"
epochs = 1
batch_size = 8
"""


def quiet(_words: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `models/tiny/recipe.toml` and what was made of it."""
    place = tmp_path_factory.mktemp("shipping")
    (place / "models" / "tiny").mkdir(parents=True)
    (place / "models" / "tiny" / "recipe.toml").write_text(RECIPE)
    request = ExportRequest(
        reference=str(place / "models" / "tiny"), out=place / "built", runs=0, image_count=2
    )
    pipeline.export(request, quiet)
    return place


@pytest.fixture
def models(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the models' folder, where networks that ship are looked for."""
    shutil.copytree(built / "models", tmp_path / "models")
    monkeypatch.setattr(shipped, "models_folder", lambda: tmp_path / "models")
    return tmp_path / "models"


def test_what_was_shipped_is_what_was_trained(built: Path, models: Path) -> None:
    folder = models / "tiny"
    (folder / "README.md").write_text("# Tiny\n\nBy hand.\n")
    first = ship(built / "built", folder, quiet)
    card = (folder / "README.md").read_text()
    assert ship(built / "built", folder, quiet) == first
    assert (folder / "README.md").read_text() == card
    assert card.startswith("# Tiny\n\nBy hand.\n")
    assert "| step | parameters | mean iou |" in card
    assert "Per class on set (1):" in card
    said = shipped.metadata(folder / "weights.safetensors")
    assert int(said["parameters"]) > 0
    assert said["seed"] == "3"
    assert said["data_sha256"] == first.data_sha256
    figures = json.loads((folder / "metrics.json").read_text())
    assert figures["data_sha256"] == first.data_sha256
    assert figures["steps"][0]["metrics"][0]["figures"]["mean_f1"] >= 0
    assert figures["steps"][0]["notes"][0].startswith("mean_iou ")
    assert figures["files"][0]["metrics"][0]["images"] == 8

    source = load_source("tiny", arguments={}, weights=None)
    assert (source.weights, source.name) == ("shipped", "tiny")
    program = programs.load(built / "built" / "program.pt2")
    pixels = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    expected = programs.run(program, {"image": pixels.float().numpy()})["logits"]
    with torch.no_grad():
        found = source.module((pixels.float() / 255 - 0.5) / 0.5)
    assert torch.allclose(found, torch.from_numpy(expected), atol=1e-5)


def test_arguments_beside_the_weights_leave_a_network_trained(built: Path, models: Path) -> None:
    ship(built / "built", models / "tiny", quiet)
    trained = load_source("tiny", arguments={}, weights=None).module.state_dict()
    larger = load_source("tiny", arguments={"size": "64"}, weights=None)
    assert (larger.weights, larger.inputs[0].shape) == ("shipped", (1, 3, 64, 64))
    assert all(
        torch.equal(value, trained[name]) for name, value in larger.module.state_dict().items()
    )
    wider = load_source("tiny", arguments={"width": "8"}, weights=None)
    assert wider.weights == "seeded"
    assert sum(each.numel() for each in wider.module.parameters()) > sum(
        each.numel() for each in larger.module.parameters()
    )


def test_the_list_of_networks_says_which_are_trained(
    built: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ship(built / "built", models / "tiny", quiet)
    assert cli.execute(["nets"]) == 0
    text = capsys.readouterr().out
    assert "tiny" in text
    assert "trained; its" in " ".join(text.split())


def test_a_network_that_ships_is_calibrated_and_judged_on_what_it_learned(
    built: Path, models: Path, tmp_path: Path
) -> None:
    ship(built / "built", models / "tiny", quiet)
    request = ExportRequest(
        reference="tiny",
        out=tmp_path / "out",
        targets=(TfliteTarget(), TfliteTarget(quantize="static:int8")),
        runs=0,
        image_count=2,
        calibrate_count=4,
    )
    _, manifest = pipeline.export(request, quiet)
    assert manifest.weights == "shipped"
    assert "shapes" in manifest.calibrated_on
    for file in manifest.files:
        assert file.metric is not None
        assert file.metric.images == 8
        assert "shapes" in file.metric.data


def test_weights_of_another_recipe_are_refused(built: Path, models: Path) -> None:
    folder = models / "tiny"
    ship(built / "built", folder, quiet)
    (folder / "recipe.toml").write_text(RECIPE.replace("width = 4", "width = 8"))
    with pytest.raises(ModelError, match="is of another network than"):
        load_source("tiny", arguments={}, weights=None)
    with pytest.raises(RecipeError, match="was made by another recipe"):
        ship(built / "built", folder, quiet)


def test_weights_that_say_nothing_or_are_damaged(built: Path, models: Path) -> None:
    folder = models / "tiny"
    ship(built / "built", folder, quiet)
    weights = folder / "weights.safetensors"
    save_file(load_file(weights), weights)
    with pytest.raises(ModelError, match="is of another network"):
        load_source("tiny", arguments={}, weights=None)
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match="no safetensors file"):
        load_source("tiny", arguments={}, weights=None)


def test_what_is_too_large_does_not_ship(
    built: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mobilekit.pipeline.shipping.MOST_BYTES", 1000)
    with pytest.raises(ArtifactError, match="at most 1,000 ship"):
        ship(built / "built", models / "tiny", quiet)
    assert not (models / "tiny" / "weights.safetensors").exists()


def test_names_mean_untrained_networks_when_something_is_asked_of_them() -> None:
    source = load_source(
        "mobile-hourglass", arguments={"features": "16", "size": "32"}, weights=None
    )
    assert source.weights == "seeded"


@pytest.mark.parametrize("name", sorted(one.name for one in shipped.shipped()))
def test_the_data_of_what_ships_are_still_drawn_the_same(name: str) -> None:
    folder = Path("models") / name
    said = json.loads((folder / "metrics.json").read_text())
    assert data_digest(read_recipe(folder)) == said["data_sha256"]
