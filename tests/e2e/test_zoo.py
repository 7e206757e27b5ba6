"""Known networks, exported to every format and precision: each file computes what the network does."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from mobilekit.core import artifact
from mobilekit.core.errors import ModelError
from mobilekit.core.targets import CoremlTarget, OnnxTarget, Target, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.pipeline import ExportRequest, export, samples

DETECTORS = Path(__file__).with_name("detectors.py")
LISTED: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[2] / "benchmarks" / "networks.toml").read_text()
)["network"]
ROUNDS: dict[str, tuple[Target, ...]] = {
    "phones-and-onnx": (CoremlTarget(), TfliteTarget(), OnnxTarget()),
    "other-precision": (
        CoremlTarget(precision="float32"), TfliteTarget(precision="float16"),
    ),
}  # fmt: skip
FLOAT32_BAR = 1e-5
FLOAT32_FACTOR = 4.0
"""File and network each err against the exact result, in different orders of summation: as
`mobilekit.verify.tolerance` derives it, but checked here per output, not for the worst of all."""
FLOAT16_FACTOR = 2.0


def exported(out: Path, network: dict[str, Any], targets: tuple[Target, ...]) -> artifact.Manifest:
    shape = network.get("input")
    request = ExportRequest(
        reference=network["reference"],
        targets=targets,
        out=out,
        inputs=(TensorSpec("image", tuple(shape), layout="NCHW"),) if shape else (),
        arguments=network.get("arguments", {}),
        image_count=2,
        runs=0,
    )
    return export(request, lambda _: None)[1]


def assert_faithful(out: Path, manifest: artifact.Manifest) -> None:
    """Each output of each file is as near to PyTorch as PyTorch itself is at that precision."""
    from mobilekit.runtime import program as programs
    from mobilekit.verify.conditioning import own_error

    assert not manifest.failures
    program = programs.load(out / artifact.PROGRAM)
    images = samples.choose_images(None, 2, 0)
    groups = samples.sample_inputs(program, images, manifest.normalization, 0)
    own = {
        (precision, group.name): own_error(program, group.inputs, precision)
        for precision in {file.target.precision for file in manifest.files}
        for group in groups
    }
    for file in manifest.files:
        assert file.parity.verdict == "pass", f"{file.path}: {file.parity.reason}"
        for group in file.parity.sets:
            for row in group.outputs:
                expected = own[file.target.precision, group.inputs][row.output]
                if file.target.precision == "float32":
                    most = max(FLOAT32_BAR, FLOAT32_FACTOR * expected)
                else:
                    most = FLOAT16_FACTOR * expected
                where = f"{file.path} {file.target.precision}, {row.output} on {group.inputs}"
                assert row.relative_l2 <= most, where
                assert row.agreed == row.decided, where
                assert row.non_finite == 0, where


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("targets", ROUNDS.values(), ids=ROUNDS)
@pytest.mark.parametrize("network", LISTED, ids=[n["reference"] for n in LISTED])
def test_each_network_in_each_format(
    network: dict[str, Any], targets: tuple[Target, ...], tmp_path: Path
):
    manifest = exported(tmp_path / "out", network, targets)
    assert [file.target for file in manifest.files] == list(targets)
    assert_faithful(tmp_path / "out", manifest)


def test_one_of_them_at_its_smallest(tmp_path: Path):
    network = {"reference": "torchvision:shufflenet_v2_x1_0", "input": [1, 3, 32, 32]}
    manifest = exported(tmp_path / "out", network, (TfliteTarget(),))
    assert manifest.cost.params == 2_278_604  # Ma et al. 2018: 2.3 M
    assert_faithful(tmp_path / "out", manifest)


def test_a_whole_detector_is_refused_in_one_line_with_the_way_out(tmp_path: Path):
    """Mask R-CNN chooses boxes by their scores; this is said before it is built, in no time."""
    network = {"reference": "torchvision:maskrcnn_resnet50_fpn", "input": [1, 3, 64, 64]}
    with pytest.raises(ModelError) as raised:
        exported(tmp_path / "out", network, (TfliteTarget(),))
    line = str(raised.value)
    assert "\n" not in line
    assert "backbone and heads without post-processing" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_detectors_backbone_and_heads_export_without_post_processing(tmp_path: Path):
    network = {"reference": f"{DETECTORS}:backbone_and_heads", "input": [1, 3, 128, 128]}
    manifest = exported(tmp_path / "out", network, (CoremlTarget(), TfliteTarget()))
    shapes = {spec.name: spec.shape for spec in manifest.outputs}
    # strides 4 to 64 of 128 pixels; 3 anchors per position, each a score and a box of 4
    for level, side in enumerate((32, 16, 8, 4, 2)):
        assert shapes[f"level_{level}"] == (1, 256, side, side)
        assert shapes[f"score_{level}"] == (1, 3, side, side)
        assert shapes[f"box_{level}"] == (1, 12, side, side)
    assert len(manifest.files) == 2
    assert_faithful(tmp_path / "out", manifest)
