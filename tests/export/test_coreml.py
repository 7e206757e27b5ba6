"""Core ML files: ends, precision, images, classifiers, metadata, refusals."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import ExportError
from mobilekit.core.targets import CoremlTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.coreml import convert
from mobilekit.export.program import trace
from mobilekit.runtime import open_model
from mobilekit.runtime.coreml_reference.loader import quiet_coremltools

FLOAT32 = CoremlTarget(precision="float32")
IMAGE = TensorSpec("image", (1, 3, 8, 6), layout="NCHW")


def _spec(path: Any) -> Any:
    quiet_coremltools()
    import coremltools

    return coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()


def _net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Hardswish(), nn.Conv2d(4, 2, 1))


def test_float32_is_the_network(roundtrip: Any, float32_bar: float) -> None:
    trip = roundtrip(_net(), (IMAGE,), FLOAT32)
    assert trip.relative_l2 <= float32_bar
    assert trip.converted.inputs == (IMAGE,)
    assert trip.converted.outputs == (TensorSpec("output", (1, 2, 6, 4), "float32", "NCHW"),)
    assert trip.converted.notes == ()
    assert trip.converted.seconds > 0


def test_float16_rounds_and_keeps_float32_ends(roundtrip: Any) -> None:
    trip = roundtrip(_net(), (IMAGE,), CoremlTarget())
    # Two convolutions of at most 27 terms in float16: some 2^-11 each, not zero and not wild.
    assert 1e-6 < trip.relative_l2 < 16 * 2**-11
    assert {spec.dtype for spec in (*trip.converted.inputs, *trip.converted.outputs)} == {"float32"}


def test_float16_ends_when_asked(roundtrip: Any) -> None:
    trip = roundtrip(_net(), (IMAGE,), CoremlTarget(float16_io=True))
    assert {spec.dtype for spec in (*trip.converted.inputs, *trip.converted.outputs)} == {"float16"}
    assert trip.relative_l2 < 16 * 2**-11


@pytest.mark.parametrize(
    ("system", "version"), [("ios15", 6), ("ios16", 7), ("ios17", 8), ("ios18", 9)]
)
def test_the_oldest_system_decides_the_version_of_the_file(
    system: Any, version: int, roundtrip: Any
) -> None:
    trip = roundtrip(_net(), (IMAGE,), CoremlTarget(minimum_os=system))
    assert _spec(trip.path).specificationVersion == version
    assert trip.relative_l2 < 16 * 2**-11


def test_names_of_several_inputs_and_outputs(
    apply: Any, roundtrip: Any, float32_bar: float
) -> None:
    specs = (TensorSpec("zeta", (2, 3)), TensorSpec("alpha", (2, 3)))
    net = apply(lambda z, a: {"sum": z + a, "difference": z - a, "again": z - a})
    trip = roundtrip(net, specs, FLOAT32)
    assert [spec.name for spec in trip.converted.inputs] == ["zeta", "alpha"]
    assert set(trip.outputs) == {"sum", "difference", "again"}
    assert trip.relative_l2 <= float32_bar


def test_integer_inputs(apply: Any, roundtrip: Any, float32_bar: float) -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(5, 3)

        def forward(self, index: torch.Tensor) -> torch.Tensor:
            return self.table(index)

    trip = roundtrip(Table(), (TensorSpec("index", (4,), "int64"),), FLOAT32)
    assert trip.converted.inputs[0].dtype == "int32"
    assert trip.relative_l2 <= float32_bar


def test_an_output_that_is_an_input(apply: Any, roundtrip: Any, float32_bar: float) -> None:
    net = apply(lambda x: (x, x + 1, x.reshape(x.shape), functional.dropout(x, training=False)))
    trip = roundtrip(net, (IMAGE,), FLOAT32)
    assert trip.relative_l2 <= float32_bar


def test_an_image_input_takes_8_bit_pixels(tmp_path: Any) -> None:
    net = _net().eval()
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 6, 3)).astype(np.uint8)
    floats = torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2)
    baked = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1 / 255)
    column = (1, 3, 1, 1)
    cases = {
        None: floats / 255,
        baked: (floats / 255 - torch.tensor(baked.mean).reshape(column))
        / torch.tensor(baked.std).reshape(column),
    }
    for normalization, values in cases.items():
        program = trace(net, (IMAGE,), normalization=normalization)
        path = tmp_path / f"{normalization is None}.mlpackage"
        target = CoremlTarget(precision="float32", image_input=True)
        converted = convert(program, target, path, {}, normalized=normalization is not None)
        assert converted.inputs == (TensorSpec("image", (1, 8, 6, 3), "uint8", "NHWC"),)
        assert _spec(path).description.input[0].type.imageType.width == 6
        with torch.no_grad():
            expected = net(values).numpy()
        found = open_model(path).run({"image": pixels})["output"]
        assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)


def test_what_is_no_image_cannot_be_an_image_input(apply: Any, roundtrip: Any) -> None:
    target = CoremlTarget(image_input=True)
    with pytest.raises(ExportError, match=r"rows \[1, 5\] is no RGB or gray image"):
        roundtrip(apply(lambda x: x + 1), (TensorSpec("rows", (1, 5)),), target)


def test_labels_make_a_classifier_of_scores(roundtrip: Any, float32_bar: float) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 3), nn.Softmax(-1))
    trip = roundtrip(net, (IMAGE,), FLOAT32, labels=("cat", "dog", "eel"))
    description = _spec(trip.path).description
    assert description.predictedFeatureName == "classLabel"
    assert trip.converted.notes == ()
    results = open_model(trip.path).run({"image": np.ones(IMAGE.shape, np.float32)})
    with torch.no_grad():
        expected = net(torch.ones(IMAGE.shape)).numpy()
    scores = next(value for value in results.values() if value.dtype.kind == "f")
    assert np.abs(scores.reshape(-1) - expected.reshape(-1)).max() <= float32_bar
    label = next(value for value in results.values() if value.dtype.kind != "f")
    assert str(label.reshape(-1)[0]) == ("cat", "dog", "eel")[int(expected.argmax())]


def test_labels_that_do_not_fit_are_said(roundtrip: Any) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
    trip = roundtrip(net, (IMAGE,), FLOAT32, labels=("cat", "dog"))
    (note,) = trip.converted.notes
    assert "2 labels do not name the scores of output [1, 3]" in note
    assert set(trip.outputs) == {"output"}


def test_metadata_is_read_back(roundtrip: Any) -> None:
    metadata = {
        "author": "Ada", "licence": "MIT", "description": "A net.", "version": "1.2",
        "mobilekit.digest": "abc",
    }  # fmt: skip
    trip = roundtrip(_net(), (IMAGE,), CoremlTarget(), metadata=metadata)
    found = _spec(trip.path).description.metadata
    assert (found.author, found.license, found.versionString) == ("Ada", "MIT", "1.2")
    assert found.shortDescription == "A net."
    assert found.userDefined["mobilekit.digest"] == "abc"


def test_float16_ends_need_ios16(roundtrip: Any) -> None:
    target = CoremlTarget(minimum_os="ios15", float16_io=True)
    with pytest.raises(ExportError) as raised:
        roundtrip(_net(), (IMAGE,), target)
    assert "ios16" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x: x.unfold(2, 3, 2), "unfold"),
        (lambda x: torch.kthvalue(x, 2, dim=-1)[0], "kthvalue"),
    ],
)
def test_a_lacking_operator_is_named_with_its_place(
    function: Any, operator: str, apply: Any, roundtrip: Any
) -> None:
    net = nn.Sequential()
    net.add_module("head", nn.Sequential(nn.Conv2d(3, 2, 1), apply(function)))
    with pytest.raises(ExportError) as raised:
        roundtrip(net, (IMAGE,), FLOAT32)
    line = str(raised.value)
    assert line.startswith(f"coreml: operator {operator} in head.1 (conftest.py:")
    assert "\n" not in line
