"""What goes wrong by hand: one clear line, the right exit code, nothing lost, never a traceback."""

import json
import pickle  # noqa: TID251  to write what must be refused
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mobilekit.core import artifact

NETS = Path(__file__).with_name("nets.py")
TINY = f"{NETS}:tiny"
INPUT = ("--input", "image=1x3x32x32")

COMMAND_LINES = {
    "unknown net": (["export", "mobile-hourglas"], 2, "Did you mean mobile-hourglass"),
    "unknown variant": (["export", "dfbuster:huge"], 2, "no shipped net"),
    "unknown torchvision": (["export", "torchvision:resnet19"], 2, "Did you mean"),
    "unknown timm": (["export", "timm:resnett18"], 2, "Did you mean"),
    "unknown format": (["export", "dfbuster", "--to", "coreml,tflit"], 2, "Did you mean tflite"),
    "no format": (["export", "dfbuster", "--to", ","], 2, "at least one"),
    "unknown system": (["export", "dfbuster", "--minimum-os", "ios14"], 2, "ios14"),
    "unknown precision": (["export", "dfbuster", "--precision", "int8"], 2, "int8"),
    "float16 ends on ios15": (
        ["export", "dfbuster", "--minimum-os", "ios15", "--float16-io"], 2, "ios16",
    ),
    "unknown option": (["export", "dfbuster", "--quantise"], 2, "--quantise"),
    "unknown command": (["exprot", "dfbuster"], 2, "export"),
    "no argument": (["export"], 2, "net"),
    "bad count": (["export", "dfbuster", "--count", "0"], 2, "count"),
    "bad threads": (["export", "dfbuster", "--threads", "none"], 2, "threads"),
    "no factory": (["export", str(NETS), *INPUT], 2, "file.py:factory"),
    "no file": (["export", "nowhere.py:build", *INPUT], 2, "no such file"),
    "no such factory": (["export", f"{NETS}:tinny", *INPUT], 2, "Did you mean tiny"),
    "no input": (["export", TINY], 2, "--input"),
    "factory raises": (["export", f"{NETS}:raises", *INPUT], 2, "not mounted"),
    "factory exits": (["export", f"{NETS}:exits", *INPUT], 2, "SystemExit"),
    "factory gives no module": (["export", f"{NETS}:no_module", *INPUT], 2, "returned a int"),
    "unknown factory argument": (
        ["export", TINY, *INPUT, "--arg", "colour=red"], 2, "colour",
    ),
    "argument without value": (["export", TINY, *INPUT, "--arg", "classes"], 2, "key=value"),
    "unknown net field": (["export", "dfbuster", "--arg", "widht=1"], 2, "Did you mean width"),
    "net field out of range": (["export", "dfbuster", "--arg", "width=0"], 2, "width"),
    "net field of another type": (["export", "dfbuster", "--arg", "width=wide"], 2, "width"),
    "unknown torchvision argument": (
        ["export", "torchvision:resnet18", "--arg", "colour=1"], 2, "colour",
    ),
    "malformed input": (["export", TINY, "--input", "1,3,32,32"], 2, "1,3,32,32"),
    "zero in a shape": (["export", TINY, "--input", "1x3x0x32"], 2, "1x3x0x32"),
    "unknown dtype": (["export", TINY, "--input", "1x3x32x32:float8"], 2, "float8"),
    "input name twice": (
        ["export", TINY, "--input", "a=1x3x8x8", "--input", "a=1x3x8x8"], 2, "twice",
    ),
    "wrong channels": (["export", TINY, "--input", "1x4x32x32"], 2, "does not take"),
    "more than any machine has": (
        ["export", TINY, "--input", "1x3x999999x999999"], 3, "this machine has too little memory",
    ),
    "more than 64 bits count": (
        ["export", TINY, "--input", "9999999999x3x999999x999999"], 3, "too little memory",
    ),
    "wrong dtype": (["export", TINY, "--input", "1x3x32x32:int32"], 2, "does not take"),
    "too many inputs": (
        ["export", TINY, *INPUT, "--input", "b=1x3x32x32"], 2, "does not take",
    ),
    "too few inputs": (["export", f"{NETS}:two_ends", *INPUT], 2, "does not take"),
    "NaN weights": (["export", f"{NETS}:nan", *INPUT], 2, "0.weight"),
    "infinite statistics": (["export", f"{NETS}:infinite", *INPUT], 2, "1.running_var"),
    "data-dependent control flow": (
        ["export", f"{NETS}:data_dependent", *INPUT], 2, "nets.py:",
    ),
    "output that is no tensor": (["export", f"{NETS}:text", *INPUT], 2, "returns a str"),
    "statistics of other channels": (
        ["export", TINY, *INPUT, "--mean", "0.1,0.2"], 2, "2 values for the 3 channels",
    ),
    "zero deviation": (["export", TINY, *INPUT, "--std", "0"], 2, "--std"),
    "mean in words": (["export", TINY, *INPUT, "--mean", "gray"], 2, "--mean"),
    "scale by nothing": (["export", TINY, *INPUT, "--scale", "1/0"], 2, "--scale"),
    "no labels": (["export", TINY, *INPUT, "--labels", "nowhere.txt"], 2, "nowhere.txt"),
    "no images": (["export", TINY, *INPUT, "--images", "nowhere"], 2, "no such folder"),
    "no weights": (["export", TINY, *INPUT, "--weights", "nowhere.safetensors"], 2, "no such file"),
    "no recipe": (["run", "nowhere.toml"], 2, "nowhere.toml"),
    "no artifact": (["verify", "nowhere"], 2, "no such artifact"),
    "folder that is no artifact": (["verify", str(NETS.parent)], 2, "not an artifact"),
    "nothing to profile": (["profile", "nowhere.tflite"], 2, "no such file"),
    "profile of another file": (["profile", str(NETS)], 2, "not a model file"),
    "nothing to inspect": (["inspect", "nowhere.tflite"], 2, "no such file"),
    "unknown topic": (["methods", "quantum"], 2, "quantum"),
}  # fmt: skip


def assert_one_line(result: tuple[int, str, str], code: int, words: str) -> None:
    found, out, err = result
    lines = [line for line in err.splitlines() if not line.startswith("[")]
    assert found == code, err
    assert len(lines) == 1, err
    assert lines[0].startswith("mobilekit: ")
    assert words in lines[0]
    assert "Traceback" not in out + err


@pytest.mark.parametrize("name", COMMAND_LINES)
def test_a_wrong_command_line(name: str, command, tmp_path: Path, monkeypatch):
    arguments, code, words = COMMAND_LINES[name]
    monkeypatch.chdir(tmp_path)
    assert_one_line(command(*arguments), code, words)
    assert list(tmp_path.iterdir()) == []


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: max(path.stat().st_size // 3, 1)])


def _foreign(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 this is something else entirely" * 10)


@pytest.mark.parametrize("damage", [_truncated, _foreign])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_damaged_weights(suffix: str, damage, command, tmp_path: Path):
    path = tmp_path / f"weights{suffix}"
    state = {"0.weight": torch.zeros(8, 3, 3, 3)}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    damage(path)
    result = command("export", TINY, *INPUT, "--weights", path, "--out", tmp_path / "out")
    assert_one_line(result, 2, path.name)
    assert not (tmp_path / "out").exists()


def test_weights_of_another_network_are_listed(command, tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    save_file({"0.weight": torch.zeros(8, 3, 5, 5), "head.bias": torch.zeros(3)}, path)
    result = command("export", TINY, *INPUT, "--weights", path)
    assert_one_line(result, 2, "missing: ")
    assert "1 unexpected: head.bias" in result[2]
    assert "0.weight (8, 3, 5, 5) instead of (8, 3, 3, 3)" in result[2]


class Evil:
    def __reduce__(self):
        return (print, ("code of a stranger ran",))


def test_a_pickled_checkpoint_is_refused_and_does_not_run(command, tmp_path: Path):
    path = tmp_path / "weights.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"0.weight": Evil()}))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    result = command("export", TINY, *INPUT, "--weights", path)
    assert_one_line(result, 2, "safetensors")
    assert "stranger" not in result[1]


def test_a_whole_pickled_module_is_refused(command, tmp_path: Path):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 2), path)
    assert_one_line(command("export", TINY, *INPUT, "--weights", path), 2, "state_dict")


@pytest.mark.parametrize("damage", [_truncated, _foreign])
@pytest.mark.parametrize("name", ["model.tflite", "model.onnx", "program.pt2"])
def test_damaged_model_files(name: str, damage, command, spine: Path, tmp_path: Path):
    path = tmp_path / name
    shutil.copy(spine / name, path)
    damage(path)
    verb = "export" if name == "program.pt2" else "inspect"
    assert_one_line(command(verb, path), 2, name)


@pytest.mark.parametrize("part", ["Data/com.apple.CoreML/model.mlmodel", "Manifest.json"])
@pytest.mark.parametrize("damage", [_truncated, _foreign])
def test_a_damaged_package(part: str, damage, command, spine: Path, tmp_path: Path):
    path = tmp_path / "model.mlpackage"
    shutil.copytree(spine / "model.mlpackage", path)
    damage(path / part)
    assert_one_line(command("inspect", path), 2, "model.mlpackage")


def test_an_artifact_whose_file_was_changed(command, spine: Path, tmp_path: Path):
    folder = tmp_path / "artifact"
    shutil.copytree(spine, folder)
    with (folder / "model.tflite").open("ab") as stream:
        stream.write(b"\0")
    assert_one_line(command("verify", folder), 2, "model.tflite")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("schema_version", 99, "newer"),
        ("schema_version", 0, "schema_version 0"),
        ("files", 3, "files"),
        ("weights", "good", "good"),
    ],
)
def test_a_manifest_edited_by_hand(key, value, words, command, spine: Path, tmp_path: Path):
    folder = tmp_path / "artifact"
    shutil.copytree(spine, folder)
    content = json.loads((folder / artifact.MANIFEST).read_text())
    (folder / artifact.MANIFEST).write_text(json.dumps(content | {key: value}))
    assert_one_line(command("verify", folder), 2, words)


@pytest.mark.parametrize(
    "edit",
    [
        "no files",
        "another input",
        "another shape",
        "another kind",
        "another output",
        "no golden vectors",
    ],
)
def test_a_manifest_whose_parts_do_not_belong_together(
    edit: str, command, spine: Path, tmp_path: Path
):
    folder = tmp_path / "artifact"
    shutil.copytree(spine, folder)
    content = json.loads((folder / artifact.MANIFEST).read_text())
    if edit == "no files":
        content["files"] = []
    elif edit == "another input":
        content["inputs"][0]["name"] = "picture"
    elif edit == "another shape":
        content["inputs"][0]["shape"] = [1, 3, 8, 8]
    elif edit == "another kind":
        content["files"][1]["target"] = content["files"][2]["target"]
    elif edit == "another output":
        content["outputs"][0]["name"] = content["files"][1]["outputs"][0]["name"] = "other"
    else:
        content["golden_sha256"] = {}
    (folder / artifact.MANIFEST).write_text(json.dumps(content))
    assert_one_line(command("verify", folder), 2, "was edited")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "TOML"),
        ('name = "x"', "net"),
        ('name = "x"\nnet = { kind = "resnet" }', "resnet"),
        ('name = "x"\nnet = { kind = "dfbuster", widht = 1.0 }', "widht"),
        ('name = "x"\nnet = { kind = "dfbuster", width = -1.0 }', "$.net.width"),
        ('name = "x"\nnet = { kind = "dfbuster" }\ncolour = 1', "colour"),
        ('name = "x"\nnet = { kind = "dfbuster" }\ntargets = [{ kind = "ncnn" }]', "ncnn"),
        ('name = "x"\nnet = { kind = "dfbuster" }\ntargets = []', "targets"),
        ('name = "x"\nnet = { kind = "dfbuster" }\nsteps = [{ kind = "shrink" }]', "shrink"),
    ],
)
def test_a_wrong_recipe(text: str, words: str, command, tmp_path: Path):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    assert_one_line(command("run", path), 2, words)


def test_a_place_that_cannot_be_written(command, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    result = command("export", TINY, *INPUT, "--to", "onnx", "--out", tmp_path / "file" / "x")
    assert_one_line(result, 3, "cannot be written")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_in_the_artifacts_place_is_not_overwritten(command, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    result = command("export", TINY, *INPUT, "--to", "onnx", "--out", tmp_path / "file")
    assert_one_line(result, 3, "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_is_no_artifact_is_not_overwritten(command, tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"1")
    result = command("export", TINY, *INPUT, "--to", "onnx", "--out", tmp_path / "photos")
    assert_one_line(result, 2, "photos")
    assert (tmp_path / "photos" / "holiday.jpg").exists()


def test_a_folder_with_another_kind_of_manifest_is_not_overwritten(command, tmp_path: Path):
    app = tmp_path / "app"
    app.mkdir()
    (app / artifact.MANIFEST).write_text('{"name": "My web app", "icons": []}')
    (app / "index.js").write_text("mine")
    result = command("export", TINY, *INPUT, "--to", "onnx", "--out", app)
    assert_one_line(result, 2, "app")
    assert (app / "index.js").read_text() == "mine"


@pytest.mark.parametrize("out", [".", "..", ""])
def test_the_folder_one_is_in_is_not_replaced(out: str, command, tmp_path: Path, monkeypatch):
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    result = command("export", TINY, *INPUT, "--to", "onnx", "--out", out)
    assert_one_line(result, 2, "you are in this folder")


def test_labels_of_another_number(command, tmp_path: Path):
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    out = tmp_path / "out"
    result = command("export", TINY, *INPUT, "--labels", labels, "--to", "onnx", "--out", out)
    assert_one_line(result, 2, "2 labels, but output has 5 classes")
    assert not out.exists()


def test_images_that_are_none(command, tmp_path: Path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    result = command("export", TINY, *INPUT, "--images", folder, "--out", tmp_path / "out")
    assert_one_line(result, 2, "cannot be read")


def test_an_operator_that_a_format_lacks_leaves_the_other_format(command, tmp_path: Path):
    out = tmp_path / "out"
    code, _, err = command(
        "export", f"{NETS}:sorted_", "--input", "x=1x3x4x4", "--to", "tflite,onnx", "--out", out,
        "--runs", "0", "--quiet",
    )  # fmt: skip
    assert code == 2
    line = next(line for line in err.splitlines() if "sort" in line)
    assert "nets.py:" in line
    manifest = artifact.read_manifest(out)
    assert [file.path for file in manifest.files] == ["model.onnx"]
    assert manifest.files[0].parity.verdict == "pass"
    assert "sort" in manifest.failures[0].reason


def test_what_other_packages_warn_of_stays_hidden(command, tmp_path: Path):
    import warnings

    arguments = (
        "export", f"{NETS}:even", "--input", "1x3x16x16", "--to", "onnx", "--out", tmp_path / "out",
        "--runs", "0", "--quiet",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.resetwarnings()
        code, _, err = command(*arguments)
    assert code == 0
    assert "UserWarning" not in err


def test_the_place_where_files_are_made_is_not_named(command, tmp_path: Path):
    result = command(
        "export", f"{NETS}:fold", "--input", "1x3x12x12", "--to", "tflite", "--out", tmp_path / "out",
        "--quiet",
    )  # fmt: skip
    assert_one_line(result, 2, "model.tflite")
    assert ".new-" not in result[2]


def test_an_operator_that_no_asked_format_has_leaves_the_former_artifact(command, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / artifact.MANIFEST).write_text('{"schema_version": 1}')
    result = command(
        "export", f"{NETS}:fourier", "--input", "x=1x3x8x8", "--to", "tflite", "--out", out
    )
    assert_one_line(result, 2, "nets.py:")
    assert (out / artifact.MANIFEST).read_text() == '{"schema_version": 1}'


def test_float16_overflow_fails_and_names_the_operator(command, tmp_path: Path):
    code, out, err = command(
        "export", f"{NETS}:huge", "--input", "image=1x3x16x16", "--to", "coreml", "--runs", "0",
        "--out", tmp_path / "out", "--quiet", "--json",
    )  # fmt: skip
    assert code == 1
    file = json.loads(out)["files"][0]
    assert file["parity"]["verdict"] == "fail"
    assert any("float16-overflow" in note and "65,504" in note for note in file["notes"])
    assert "Traceback" not in err


def test_tensorflow_missing_says_how_to_get_it(command, spine: Path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tensorflow", None)
    result = command("verify", spine, "--runtime", "tensorflow", "--quiet")
    assert_one_line(result, 3, "mobilekit[tensorflow]")


def test_an_unknown_runtime(command, spine: Path):
    assert_one_line(command("verify", spine, "--runtime", "tensorrt"), 2, "tensorrt")
