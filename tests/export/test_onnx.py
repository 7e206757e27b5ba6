"""ONNX files: a free batch where the network allows it, names, metadata, refusals."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from mobilekit.core.errors import ExportError, ModelError
from mobilekit.core.targets import OnnxTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace

TARGET = OnnxTarget()
IMAGE = TensorSpec("image", (1, 3, 8, 6), layout="NCHW")


def _net() -> nn.Module:
    """A classifier as torchvision writes them: flatten between pooling and linear layer."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(1), nn.Linear(16, 5),
    )  # fmt: skip


def _session(path: Any) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_batch_gives_what_pytorch_gives(batch: int, roundtrip: Any, float32_bar: float) -> None:
    net = _net()
    program = trace(net.eval(), (IMAGE,), free_batch=True)
    trip = roundtrip(program, (IMAGE,), TARGET)
    assert trip.relative_l2 <= float32_bar
    assert trip.converted.notes == ()
    x = np.random.default_rng(1).standard_normal((batch, 3, 8, 6)).astype(np.float32)
    (found,) = _session(trip.path).run(["output"], {"image": x})
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
    assert found.shape == (batch, 5)
    assert np.linalg.norm(found - expected) <= float32_bar * np.linalg.norm(expected)


def test_a_fixed_batch_when_asked(roundtrip: Any, float32_bar: float) -> None:
    trip = roundtrip(_net(), (IMAGE,), OnnxTarget(dynamic_batch=False))
    assert trip.relative_l2 <= float32_bar
    assert trip.converted.notes == ()
    assert _session(trip.path).get_inputs()[0].shape == [1, 3, 8, 6]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.reshape(1, -1) * 2,
        lambda x: x.reshape(1, 144) * 2,
        lambda x: x.squeeze() * 2,
        lambda x: x.sum(),
        lambda x: (x.mean((2, 3)), x.sum()),
        lambda x: x.permute(1, 0, 2, 3) * 2,
    ],
)
def test_a_batch_that_the_graph_holds_cannot_be_free(function: Any, apply: Any) -> None:
    with pytest.raises(ModelError):
        trace(apply(function), (IMAGE,), free_batch=True)


def test_only_a_batch_of_one_can_be_free(apply: Any) -> None:
    with pytest.raises(ModelError, match="first axis is 1"):
        trace(apply(lambda x: x + 1), (TensorSpec("x", (4, 3)),), free_batch=True)


def test_a_fixed_program_gives_a_fixed_file_and_a_note(roundtrip: Any, float32_bar: float) -> None:
    trip = roundtrip(_net(), (IMAGE,), TARGET)
    (note,) = trip.converted.notes
    assert note.startswith("the batch size is fixed")
    assert trip.relative_l2 <= float32_bar
    assert _session(trip.path).get_inputs()[0].shape == [1, 3, 8, 6]


def test_names_of_several_inputs_and_outputs(
    apply: Any, roundtrip: Any, float32_bar: float
) -> None:
    specs = (TensorSpec("zeta", (1, 3)), TensorSpec("alpha", (1, 3)))
    net = apply(lambda z, a: {"w": z - a, "b": z + a, "same": z})
    trip = roundtrip(net, specs, TARGET)
    assert trip.relative_l2 <= float32_bar
    session = _session(trip.path)
    assert [one.name for one in session.get_inputs()] == ["zeta", "alpha"]
    assert [one.name for one in session.get_outputs()] == ["w", "b", "same"]


def test_metadata_and_labels_are_read_back_and_the_file_is_valid(roundtrip: Any) -> None:
    trip = roundtrip(
        _net(), (IMAGE,), TARGET, labels=("cat", "dog"), metadata={"mobilekit.digest": "abc"}
    )
    model = onnx.load(str(trip.path))
    onnx.checker.check_model(model, full_check=True)
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found["mobilekit.digest"] == "abc"
    assert found["labels"].splitlines() == ["cat", "dog"]
    assert [path.name for path in trip.path.parent.iterdir()] == [trip.path.name]


def test_a_lacking_operator_is_named_with_its_place(apply: Any, roundtrip: Any) -> None:
    net = nn.Sequential()
    head = apply(torch.special.bessel_j0)
    net.add_module("head", nn.Sequential(nn.Conv2d(3, 2, 1), head))
    with pytest.raises(ExportError) as raised:
        roundtrip(net, (IMAGE,), TARGET)
    line = str(raised.value)
    assert line.startswith("onnx: operator special_bessel_j0 in head.1 (conftest.py:")
    assert "\n" not in line


def test_the_file_holds_no_path_of_this_machine(roundtrip: Any) -> None:
    content = roundtrip(_net(), (IMAGE,), TARGET).path.read_bytes()
    assert b".py" not in content
    assert b"site-packages" not in content
