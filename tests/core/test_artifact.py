import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core import artifact
from mobilekit.core.artifact import Manifest, ModelFile
from mobilekit.core.errors import ArtifactError
from mobilekit.core.reports import CostReport, ParityReport, percentile
from mobilekit.core.targets import CoremlTarget, TfliteTarget
from mobilekit.core.tensors import TensorSpec


def manifest(**changes: object) -> Manifest:
    spec = TensorSpec("image", (1, 3, 4, 4), layout="NCHW")
    parity = ParityReport("m.tflite", "tflite", "float32", "tflite", "skipped", "nothing ran")
    file = ModelFile("m.tflite", TfliteTarget(), "0" * 64, 3, (spec,), (spec,), parity)
    whole = Manifest(
        schema_version=artifact.SCHEMA_VERSION,
        name="m",
        source="file.py:build",
        weights="seeded",
        created="2026-01-01T00:00:00Z",
        inputs=(spec,),
        outputs=(spec,),
        cost=CostReport(1, 1, 1, 1, 1, 1, (), {}),
        files=(file,),
        program_sha256="",
        golden_sha256={artifact.GOLDEN_INPUTS: "", artifact.GOLDEN_OUTPUTS: ""},
        verified_on="noise",
    )
    return msgspec.structs.replace(whole, **changes)


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path):
    given = manifest(labels=("a", "b"), state={"mask": "previous_mask"})
    before = artifact.write_manifest(tmp_path, given)
    assert artifact.read_manifest(tmp_path) == before
    assert msgspec.structs.replace(before, seal="") == given


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m.update(schema_version=99), "newer"),
        (lambda m: m.update(schema_version=0), "schema_version 0 is not the 1"),
        (lambda m: m["inputs"][0].update(shape=[1, 3, 8, 8]), "was edited"),
        (lambda m: m["outputs"][0].update(name="other"), "was edited"),
        (lambda m: m["files"][0]["outputs"][0].update(name="other"), "was edited"),
        (lambda m: m["files"][0].update(target={"kind": "onnx"}), "was edited"),
        (lambda m: m["files"][0]["target"].update(precision="float16"), "was edited"),
        (lambda m: m.update(seal=""), "was edited"),
        (lambda m: m.update(extra=1), "extra"),
        (lambda m: m.pop("files"), "files"),
        (lambda m: m["files"][0].update(size_bytes="big"), "size_bytes"),
        (lambda m: m["files"][0]["target"].update(kind="tensorrt"), "tensorrt"),
    ],
)
def test_an_edited_manifest_is_refused_with_the_key(tmp_path: Path, edit, words: str):
    artifact.write_manifest(tmp_path, manifest())
    content = json.loads((tmp_path / artifact.MANIFEST).read_text())
    edit(content)
    (tmp_path / artifact.MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=words) as caught:
        artifact.read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / artifact.MANIFEST).write_bytes(content)
    with pytest.raises(ArtifactError, match=artifact.MANIFEST):
        artifact.read_manifest(tmp_path)


def test_no_artifact_is_said(tmp_path: Path):
    with pytest.raises(ArtifactError, match="not an artifact"):
        artifact.read_manifest(tmp_path)
    with pytest.raises(ArtifactError, match="no such artifact"):
        artifact.read_manifest(tmp_path / "nowhere")


def test_changed_and_missing_files_are_found(tmp_path: Path):
    made = manifest()
    with pytest.raises(ArtifactError, match="is missing"):
        artifact.check_files(tmp_path, made)
    (tmp_path / "m.tflite").write_bytes(b"abc")
    with pytest.raises(ArtifactError, match="content is not what"):
        artifact.check_files(tmp_path, made)


def test_targets_are_told_apart_by_their_kind():
    text = msgspec.json.encode(CoremlTarget(minimum_os="ios16"))
    assert json.loads(text)["kind"] == "coreml"


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60), st.floats(0.1, 100))
def test_percentile_is_the_smallest_sample_with_enough_at_or_below(samples, percent):
    value = percentile(tuple(samples), percent)
    at_or_below = sum(sample <= value for sample in samples)
    below = sum(sample < value for sample in samples)
    assert value in samples
    assert at_or_below >= percent / 100 * len(samples) - 1e-9
    assert below < percent / 100 * len(samples)
