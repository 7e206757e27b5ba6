"""One small net through every stage that exists, to verified files. Never skipped."""

import json
from pathlib import Path

import jsonschema
import numpy as np
from safetensors.numpy import load_file

from mobilekit.core import artifact

SCHEMAS = Path(__file__).parents[2] / "schemas"


def test_the_artifact_is_whole_and_every_file_passes(spine: Path):
    manifest = artifact.read_manifest(spine)
    artifact.check_files(spine, manifest)
    assert [file.path for file in manifest.files] == [
        "model.mlpackage",
        "model.tflite",
        "model.onnx",
    ]
    assert not manifest.failures
    for file in manifest.files:
        assert file.parity.verdict == "pass", file.parity.reason
        assert {group.inputs for group in file.parity.sets} == {"images", "noise"}
        assert all(
            row.elements == 5 * group.samples for group in file.parity.sets for row in group.outputs
        )
    timed = {file.path: file.latency is not None for file in manifest.files}
    assert timed["model.tflite"]
    assert timed["model.onnx"]
    assert manifest.normalization == artifact.Normalization((0.5,), (0.25,), 1 / 255)
    assert manifest.weights == "factory"
    assert list(spine.parent.glob(".*")) == []


def test_the_manifest_and_the_latency_table_follow_their_schemas(spine: Path):
    for name, schema in (
        ("manifest.json", "manifest.schema.json"),
        ("latency-table.json", "latency-table.schema.json"),
    ):
        rules = json.loads((SCHEMAS / schema).read_text())
        jsonschema.Draft202012Validator(rules).validate(json.loads((spine / name).read_text()))


def test_the_files_compute_what_numpy_says_of_their_camera_pixels(spine: Path):
    """The golden outputs of the classifier are reproduced from raw pixels by each runtime."""
    from mobilekit.runtime import open_model

    inputs = load_file(spine / artifact.GOLDEN_INPUTS)
    outputs = load_file(spine / artifact.GOLDEN_OUTPUTS)
    pixels, expected = inputs["images.image"], outputs["images.output"]
    assert pixels.min() >= 0
    assert pixels.max() > 100  # raw pixels: the normalization lies in the graph
    tflite = open_model(spine / "model.tflite").run({"image": pixels.transpose(0, 2, 3, 1).copy()})
    onnx = open_model(spine / "model.onnx").run({"image": np.repeat(pixels, 3, axis=0)})
    coreml = open_model(spine / "model.mlpackage").run({"image": pixels})
    scale = np.abs(expected).max()
    np.testing.assert_allclose(tflite["output"], expected, atol=1e-5 * scale)
    np.testing.assert_allclose(onnx["output"], np.repeat(expected, 3, axis=0), atol=1e-5 * scale)
    probabilities = next(v for k, v in coreml.items() if v.size == 5)
    np.testing.assert_allclose(probabilities.reshape(1, -1), expected, atol=1e-2 * scale)
    assert (
        coreml["classLabel"][0] == ["cat", "dog", "bird", "fish", "horse"][int(expected.argmax())]
    )


def test_verify_says_the_same_again_and_layer_by_layer(spine: Path, command):
    code, out, _ = command("verify", spine, "--layerwise", "--json")
    found = json.loads(out)
    assert code == 0
    assert [report["verdict"] for report in found["reports"]] == ["pass"] * 3
    assert {finding["file"] for finding in found["layers"]} >= {"model.mlpackage", "model.tflite"}


def test_profile_times_and_names_operators(spine: Path, command, tmp_path: Path):
    table = tmp_path / "table.json"
    code, out, _ = command("profile", spine, "--runs", "5", "--json", "--out", table)
    rows = json.loads(table.read_text())["rows"]
    assert all(row["shapes"] and row["dtype"] and sum(row["samples_ns"]) > 0 for row in rows)
    assert len({(row["runtime"], row["name"]) for row in rows}) == len(rows)
    found = json.loads(out)
    assert code == 0
    assert {row["file"] for row in found["latencies"]} >= {"model.tflite", "model.onnx"}
    assert all(len(row["samples_ns"]) == 5 for row in found["latencies"])
    assert found["delegation"]["model.tflite"]["operators"]
    assert "macOS" in found["skipped"]["model.mlpackage"]


def test_inspect_reads_network_artifact_and_each_file(spine: Path, command):
    code, out, _ = command("inspect", spine, "--json")
    found = json.loads(out)
    assert code == 0
    # 3·8·9 + 2·8 (batch norm) + (8·9 + 8) depthwise + 8·5 + 5: by hand
    assert found["cost"]["params"] == 216 + 16 + 80 + 45
    # 32²·216 (conv) + 16²·72 (depthwise) + 40 (linear): by hand; normalization multiplies are free
    assert found["cost"]["macs"] == 32 * 32 * 216 + 16 * 16 * 72 + 40
    assert {file["format"] for file in found["files"]} == {"coreml", "tflite", "onnx"}


def test_a_recipe_runs_to_verified_files(tmp_path: Path, command):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "lenet"\nseed = 3\nnet = { kind = "lenet-caffe" }\ntargets = [{ kind = "tflite" }]\n'
    )
    code, out, _ = command("run", recipe, "--out", tmp_path / "lenet", "--json", "--quiet")
    found = json.loads(out)
    assert code == 0
    assert found["name"] == "lenet"
    assert len(found["recipe_digest"]) == 64
    assert found["files"][0]["parity"]["verdict"] == "pass"


def test_pruned_it_still_becomes_verified_files(command, tmp_path: Path):
    net = f"{Path(__file__).with_name('nets.py')}:tiny"
    arguments = ("--input", "image=1x3x32x32", "--sparsity", "0.5", "--round-to", "1")
    code, out, _ = command("prune", net, *arguments, "--out", tmp_path / "pruned", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["step"]["params_after"] < found["step"]["params_before"]
    assert [row["after"] for row in found["coverage"]["layers"]] == [4, 4, 5]
    arguments = (
        "--to",
        "coreml,tflite,source",
        "--runs",
        "0",
        "--out",
        tmp_path / "files",
        "--json",
    )
    code, out, _ = command("export", tmp_path / "pruned", *arguments)
    manifest = json.loads(out)
    assert code == 0
    verdicts = {file["path"]: file["parity"]["verdict"] for file in manifest["files"]}
    paths = ("model.mlpackage", "model.tflite", "model.source")
    assert verdicts == dict.fromkeys(paths, "pass")
    assert [step["kind"] for step in manifest["steps"]] == ["prune"]
    source = (tmp_path / "files" / "model.source" / "model.py").read_text()
    assert "nn.Conv2d(3, 4, kernel_size=3" in source
    assert command("verify", tmp_path / "files", "--json")[0] == 0
    assert manifest["cost"]["params"] == found["step"]["params_after"]


def test_a_recipe_prunes_folds_and_exports_to_verified_files(command, tmp_path: Path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "small"\nnet = { kind = "dfbuster", width = 0.25 }\ntargets = [{ kind = "tflite" }]\n'
        '[[steps]]\nkind = "prune"\nbudget = { macs = 0.8 }\n[[steps]]\nkind = "fold"\n'
    )
    code, out, err = command("run", recipe, "--out", tmp_path / "small", "--json", "--quiet")
    assert code == 0, err
    found = json.loads(out)
    pruned, folded = found["steps"]
    assert [pruned["kind"], folded["kind"]] == ["prune", "fold"]
    assert pruned["params_after"] == folded["params_before"]
    assert found["cost"]["params"] == folded["params_after"] < pruned["params_before"]
    assert max(pruned["residual"], folded["residual"]) <= 1e-5
    assert "batch_norm" not in {layer["operator"] for layer in found["cost"]["layers"]}
    assert [file["parity"]["verdict"] for file in found["files"]] == ["pass"]


def test_a_recipe_trains_with_methods_prunes_exactly_and_exports(command, tmp_path: Path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "digits"\nseed = 5\nnet = { kind = "lenet-caffe" }\n'
        'data = { kind = "digits", train = 320, test = 100 }\ntargets = [{ kind = "tflite" }]\n'
        '[[steps]]\nkind = "train"\nepochs = 2\nbatch_size = 32\nduring = [\n'
        '  { kind = "sparsify", granularity = "filter", sparsity = 0.5 },\n'
        '  { kind = "kernel_sparsity", strength = 0.1, threshold = 0.001 },\n'
        ']\n[[steps]]\nkind = "prune"\n'
        '[[steps]]\nkind = "train"\nepochs = 1\nduring = [{ kind = "distill" }]\n'
    )
    out = tmp_path / "digits"
    code, text, err = command("run", recipe, "--out", out, "--json", "--quiet")
    assert code == 0, err
    found = json.loads(text)
    trained, pruned, taught = found["steps"]
    assert [trained["kind"], pruned["kind"], taught["kind"]] == ["train", "prune", "train"]
    assert "35 of 70 groups are zero" in " ".join(trained["notes"])
    # half of 20 and of 50 filters, rounded up to multiples of 8, are 16 and 32: by hand
    convolutions = 16 * 25 + 16 + 32 * 16 * 25 + 32
    assert pruned["params_after"] == convolutions + 32 * 16 * 500 + 500 + 500 * 10 + 10
    assert pruned["residual"] <= 1e-5
    assert found["weights"] == "trained"
    assert [file["parity"]["verdict"] for file in found["files"]] == ["pass"]
    history = json.loads((tmp_path / "digits.training" / "1-train" / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history["epochs"]] == [1, 2]
    code, _, err = command("run", recipe, "--out", out, "--resume", "--json", "--quiet")
    assert code == 0, err


def test_specialized_it_still_becomes_verified_files(command, tmp_path: Path):
    net = f"{Path(__file__).with_name('nets.py')}:tiny"
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\nbird\nfish\nhorse\n")
    arguments = ("--input", "image=1x3x32x32", "--labels", labels, "--keep", "horse,dog")
    code, text, err = command("specialize", net, *arguments, "--out", tmp_path / "two", "--json")
    assert code == 0, err
    assert json.loads(text)["step"]["kept_classes"] == [1, 4]
    arguments = ("--to", "tflite", "--runs", "0", "--out", tmp_path / "files", "--json")
    code, text, err = command("export", tmp_path / "two", *arguments)
    assert code == 0, err
    manifest = json.loads(text)
    assert manifest["labels"] == ["dog", "horse"]
    assert [file["parity"]["verdict"] for file in manifest["files"]] == ["pass"]


def test_quantized_it_still_becomes_verified_files(command, tmp_path: Path):
    net = f"{Path(__file__).with_name('nets.py')}:tiny"
    arguments = ("--input", "image=1x3x32x32", "--runs", "0", "--to", "coreml,tflite", "--json")
    forms = "static:int8,coreml=weights:palette4,tflite=weights:int8"
    out = tmp_path / "small"
    code, text, err = command("export", net, *arguments, "--quantize", forms, "--out", out)
    assert code == 0, err
    manifest = json.loads(text)
    artifact.check_files(out, artifact.read_manifest(out))
    made = {file["path"]: file for file in manifest["files"]}
    assert set(made) == {
        "model.mlpackage", "model-static-int8.mlpackage", "model-weights-palette4.mlpackage",
        "model.tflite", "model-static-int8.tflite", "model-weights-int8.tflite",
    }  # fmt: skip
    assert {file["parity"]["verdict"] for file in made.values()} == {"pass"}
    assert manifest["calibrated_on"].endswith("bundled photographs")
    layers = {row["layer"]: row for row in made["model-static-int8.tflite"]["quantization"]}
    assert {row["stored"] for row in layers.values()} == {"static:int8"}
    assert [row["elements"] for row in layers.values()] == [216, 72, 40]  # by hand, as above
    before = (out / "model.tflite").read_bytes()
    code, text, err = command("quantize", out, "--form", "tflite=dynamic:int8", "--runs", "0", "-q")
    assert code == 0, err
    assert (out / "model.tflite").read_bytes() == before
    assert (out / "model-dynamic-int8.tflite").is_file()
    assert command("verify", out, "--json")[0] == 0


FACES = """
name = "small-faces"
seed = 5
net = { kind = "mobile-hourglass", features = 4, expansion = 1, stem = "light", size = 32 }
data = { kind = "faces", train = 24, test = 6, size = 32 }
judged = [{ kind = "faces", style = "faces-hard", train = 1, test = 4, size = 32 }]
targets = [{ kind = "tflite" }]
[[steps]]
kind = "train"
epochs = 2
batch_size = 8
channels_last = true
class_weights = 0.35
augment = [{ kind = "flip" }, { kind = "affine" }]
[[steps]]
kind = "quantize"
form = "static:int8"
"""


def test_faces_are_learned_shipped_exported_and_parsed(command, tmp_path: Path, monkeypatch):
    models = tmp_path / "models"
    (models / "small-faces").mkdir(parents=True)
    (models / "small-faces" / "recipe.toml").write_text(FACES)
    monkeypatch.setattr("mobilekit.nets.shipped.models_folder", lambda: models)
    built, cache = tmp_path / "built", tmp_path / "cache"
    code, text, err = command(
        "run", models / "small-faces", "--out", built, "--cache", cache, "--json", "--quiet"
    )
    assert code == 0, err
    manifest = json.loads(text)
    trained = manifest["steps"][0]
    assert [report["images"] for report in trained["metrics"]] == [6, 4]
    assert "faces-hard" in trained["metrics"][1]["data"]
    assert {"mean_f1", "overall_f1", "boundary_f"} <= trained["metrics"][0]["figures"].keys()
    (file,) = manifest["files"]
    assert file["target"]["quantize"] == "static:int8"
    assert file["metric"]["images"] == 6
    assert len(list(cache.iterdir())) == 3

    code, _, err = command("ship", built, models / "small-faces")
    assert code == 0, err
    assert "Per class on set (2)" in (models / "small-faces" / "README.md").read_text()
    code, text, err = command(
        "export", "small-faces", "--to", "tflite", "--runs", "3", "--out", tmp_path / "x", "--json"
    )
    assert code == 0, err
    exported = json.loads(text)
    assert exported["weights"] == "shipped"
    assert exported["files"][0]["metric"]["data"].startswith("faces 32")

    page, mask = tmp_path / "page.png", tmp_path / "mask.png"
    code, _, err = command("data", "preview", "faces", "--size", "32", "--out", page)
    assert code == 0, err
    code, text, err = command("parse", page, "--net", "small-faces", "--out", mask, "--json")
    assert code == 0, err
    assert mask.is_file()
    report = tmp_path / "report.html"
    code, text, err = command("report", tmp_path / "x", "--out", report, "--json")
    assert code == 0, err
    assert "small-faces" in report.read_text()
