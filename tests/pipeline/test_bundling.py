"""Exported networks in the sample apps: whole or not at all, and stale once what they were made of changes."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mobilekit import cli, pipeline
from mobilekit.core import artifact, files
from mobilekit.core.errors import ArtifactError, OutputError
from mobilekit.core.targets import CoremlTarget, TfliteTarget
from mobilekit.nets import shipped
from mobilekit.nets.catalog import DfbusterConfig, UnetConfig
from mobilekit.recipe import read_recipe

RECIPE = """
name = "tiny"
net = { kind = "unet", width = 4, classes = 3, size = 32 }
targets = [{ kind = "coreml" }, { kind = "tflite" }, { kind = "tflite", precision = "float16" }]
"""
MODELS = ("ios/MobileKitDemo/Models", "android/app/src/main/assets/models")


def app_folders(place: Path) -> Path:
    for name in ("ios/MobileKitDemo", "android/app/src/main"):
        (place / name).mkdir(parents=True)
    return place


def listed(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a small network into two apps by the command line, once."""
    place = tmp_path_factory.mktemp("bundling")
    (place / "models" / "tiny").mkdir(parents=True)
    (place / "models" / "tiny" / "recipe.toml").write_text(RECIPE)
    apps = app_folders(place / "apps")
    words = ["export", place / "models" / "tiny", "--out", place / "built", "--bundle", apps]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "models_folder", lambda: place / "models")
        assert cli.execute([*map(str, words), "--runs", "0", "--count", "1", "--quiet"]) == 0
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy, whose `models/` is where networks that ship are looked for."""
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.setattr(shipped, "models_folder", lambda: tmp_path / "copy" / "models")
    return tmp_path / "copy"


def changed(place: Path, **values: Any) -> artifact.Manifest:
    """Change the artifact's manifest as if it had been exported so."""
    manifest = msgspec.structs.replace(artifact.read_manifest(place / "built"), **values)
    return artifact.write_manifest(place / "built", manifest)


def bundles(place: Path) -> list[Path]:
    return [place / "apps" / models / "tiny" for models in MODELS]


def test_each_app_gets_what_it_runs(place: Path) -> None:
    ios, android = bundles(place)
    both = {"manifest.json", "origin.json", "golden/inputs.safetensors", "golden/outputs.safetensors"}  # fmt: skip
    assert {name for name in listed(ios) if ".mlpackage/" not in name} == both
    assert "model.mlpackage/Manifest.json" in listed(ios)
    assert listed(android) == both | {"model.tflite", "model-float16.tflite"}
    for folder in (ios, android):
        manifest = artifact.read_manifest(folder)
        assert manifest == artifact.read_manifest(place / "built")
        for file in manifest.files:
            path = folder / file.path
            assert not path.exists() or files.sha256(path) == file.sha256
        assert {path.name for path in folder.parent.iterdir()} == {"tiny"}
    assert pipeline.check_bundles(place / "apps") == pipeline.Bundles(("tiny",), ())


def test_a_bundle_is_replaced_as_a_whole(place: Path) -> None:
    for folder in bundles(place):
        (folder / "old.tflite").write_bytes(b"")
    assert pipeline.bundle(place / "built", place / "apps") == tuple(bundles(place))
    assert not any("old.tflite" in listed(folder) for folder in bundles(place))


@pytest.mark.parametrize("fails_at", [1, 4, 6, 8])
def test_the_former_bundles_stay_when_the_disk_is_full(
    fails_at: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [files.sha256(folder) for folder in bundles(place)]
    changed(place, created="2020-01-01T00:00:00+00:00")
    copyfile, calls = shutil.copyfile, iter(range(1, 100))

    def full(source: Path, target: Path) -> object:
        if next(calls) == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return copyfile(source, target)

    monkeypatch.setattr("mobilekit.pipeline.bundling.shutil.copyfile", full)
    with pytest.raises(OutputError, match="tiny: the disk is full; nothing there was changed"):
        pipeline.bundle(place / "built", place / "apps")
    assert [files.sha256(folder) for folder in bundles(place)] == before
    assert all({p.name for p in folder.parent.iterdir()} == {"tiny"} for folder in bundles(place))


def _without(place: Path, suffix: str) -> None:
    manifest = artifact.read_manifest(place / "built")
    changed(place, files=tuple(f for f in manifest.files if not f.path.endswith(suffix)))


def _failed(place: Path) -> None:
    first, *rest = artifact.read_manifest(place / "built").files
    parity = msgspec.structs.replace(first.parity, verdict="fail", reason="far away")
    changed(place, files=(msgspec.structs.replace(first, parity=parity), *rest))


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda place: _without(place, ".mlpackage"), "has no .mlpackage file for the app"),
        (lambda place: _without(place, ".tflite"), "has no .tflite file for the app"),
        (_failed, "not all of it is good .*far away"),
        (lambda place: (place / "built" / "model.tflite").write_bytes(b"x"), "its content is not"),
        (lambda place: shutil.rmtree(place / "apps" / "ios"), "apps: is not the folder of the sam"),
        (lambda place: shutil.rmtree(place / "built"), "built: no such artifact"),
    ],
)
def test_what_is_not_good_is_not_bundled(harm: Any, says: str, place: Path) -> None:
    android = bundles(place)[1]
    before = files.sha256(android)
    harm(place)
    with pytest.raises(ArtifactError, match=says):
        pipeline.bundle(place / "built", place / "apps")
    assert files.sha256(android) == before


def _recipe(place: Path) -> None:
    path = place / "models" / "tiny" / "recipe.toml"
    path.write_text(path.read_text().replace("width = 4", "width = 8"))


def _weights(place: Path, content: bytes) -> None:
    (place / "models" / "tiny" / "weights.safetensors").write_bytes(content)


def _another_export(place: Path) -> None:
    ios = bundles(place)[0]
    shutil.copytree(ios, place / "kept")
    changed(place, created="2020-01-01T00:00:00+00:00")
    pipeline.bundle(place / "built", place / "apps")
    shutil.rmtree(ios)
    shutil.copytree(place / "kept", ios)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_recipe, "the recipe in models/tiny is another"),
        (lambda place: _weights(place, b"trained"), "the weights in models/tiny are others"),
        (lambda place: shutil.rmtree(place / "models" / "tiny"), "models/tiny is no more"),
        (lambda place: shutil.rmtree(bundles(place)[0]), "no such artifact"),
        (lambda place: (bundles(place)[1] / "model.tflite").write_bytes(b""), "model.tflite: is m"),
        (lambda place: (bundles(place)[0] / "origin.json").unlink(), "origin.json: cannot be read"),
        (lambda place: (bundles(place)[0] / "origin.json").write_text("{}"), "origin.json: "),
        (_another_export, "the two apps hold different exports"),
    ],
)
def test_a_bundle_goes_stale(harm: Any, says: str, place: Path, capfd: Any) -> None:
    harm(place)
    [stale] = pipeline.check_bundles(place / "apps").stale
    assert says in stale.reason
    assert stale.name == "tiny"
    capfd.readouterr()
    assert cli.execute(["export", "--check-bundle", str(place / "apps")]) == 1
    [line] = capfd.readouterr().out.splitlines()
    assert line.startswith("tiny: stale: ")
    assert line.endswith(f"; run `mobilekit export tiny --bundle {place / 'apps'}`")


def test_new_weights_make_a_network_that_ships_stale(place: Path) -> None:
    _weights(place, b"one")
    changed(place, weights="shipped", recipe_digest="")
    pipeline.bundle(place / "built", place / "apps")
    assert not pipeline.check_bundles(place / "apps").stale
    _weights(place, b"other")
    [stale] = pipeline.check_bundles(place / "apps").stale
    assert "the weights in models/tiny are others" in stale.reason


def test_a_network_of_ones_own_is_never_stale_but_may_be_damaged(place: Path) -> None:
    changed(place, name="own", recipe_digest="")
    _, android = pipeline.bundle(place / "built", place / "apps")
    assert pipeline.check_bundles(place / "apps") == pipeline.Bundles(("own", "tiny"), ())
    (android / "golden" / "inputs.safetensors").unlink()
    assert [one.name for one in pipeline.check_bundles(place / "apps").stale] == ["own"]


def test_the_name_of_a_network_that_ships_is_not_for_others(place: Path) -> None:
    changed(place, weights="given", recipe_digest="")
    pipeline.bundle(place / "built", place / "apps")
    [stale] = pipeline.check_bundles(place / "apps").stale
    assert "is not the network models/tiny, but has its name" in stale.reason


def test_leftovers_of_a_killed_run_are_no_bundles(place: Path) -> None:
    (place / "apps" / MODELS[0] / ".tiny.new-1-x").mkdir()
    assert pipeline.check_bundles(place / "apps").names == ("tiny",)


def test_the_command_line_bundles_only_what_is_good(
    place: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, apps = place / "built", place / "apps"
    for folder in bundles(place):
        shutil.rmtree(folder)
    _failed(place)
    manifest = artifact.read_manifest(built)
    monkeypatch.setattr(pipeline, "export", lambda *_: (built, manifest))
    words = ["export", "tiny", "--quiet", "--bundle", str(apps)]
    assert cli.execute(words) == 1
    assert "tiny is not bundled, since not all of it is good" in capfd.readouterr().err
    assert cli.execute(["export", "--check-bundle", str(apps)]) == 0
    assert capfd.readouterr().out == f"{apps}: no network is bundled\n"


def test_a_network_that_ships_is_bundled_as_its_recipe_says(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place / "models" / "tiny"
    found = shipped.Shipped("tiny", read_recipe(folder).net, folder)
    monkeypatch.setattr(shipped, "find_shipped", lambda name: found if name == "tiny" else None)
    usual = (TfliteTarget(), TfliteTarget(quantize="static:int8"))
    named = [CoremlTarget(), TfliteTarget(), TfliteTarget(precision="float16")]
    requests: list[Any] = []

    def export(request: Any, _: Any) -> Any:
        requests.append(request)
        return place / "built", artifact.read_manifest(place / "built")

    monkeypatch.setattr(pipeline, "export", export)
    words = ["export", "tiny", "--quiet", "--bundle", str(place / "apps")]
    assert cli.execute(words) == 0
    assert cli.execute([*words, "--quantize", "tflite=static:int8"]) == 0
    assert cli.execute([*words, "--to", "tflite"]) == 0
    assert list(requests[0].default_targets) == named
    assert all(one in requests[1].default_targets for one in (*named, usual[1]))
    assert requests[2].targets == usual[:1]
    assert pipeline.targets_for_apps("other", usual) == usual


def test_what_can_say_where_it_looks_does_so_in_the_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = {
        "looking": DfbusterConfig(size=32),
        "blind": DfbusterConfig(size=32, self_attention=False),
        "other": UnetConfig(size=32),
    }
    found = {name: shipped.Shipped(name, net, Path()) for name, net in nets.items()}
    monkeypatch.setattr(shipped, "find_shipped", found.get)
    asked = {name: pipeline.arguments_for_apps(name, {"size": "64"}) for name in (*nets, "none")}
    assert asked.pop("looking") == {"attention_map": "true", "size": "64"}
    assert set(map(str, asked.values())) == {"{'size': '64'}"}
    assert pipeline.arguments_for_apps("looking", {"attention_map": "false"}) == {
        "attention_map": "false"
    }


def test_json_and_what_makes_no_sense(place: Path, capfd: Any) -> None:
    apps = str(place / "apps")
    capfd.readouterr()
    assert cli.execute(["export", "--check-bundle", apps, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"names": ["tiny"], "stale": []}
    for words, says in (
        (["tiny", "--check-bundle", apps], "name no network beside it"),
        ([], "name a network to export"),
        (["tiny", "--bundle", str(place)], "is not the folder of the sample apps"),
    ):
        assert cli.execute(["export", *words]) == 2
        assert says in capfd.readouterr().err
