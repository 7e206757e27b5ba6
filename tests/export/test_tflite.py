"""LiteRT files: names, layouts, precision, metadata, refusals."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from torch import nn

from mobilekit.core.errors import ExportError
from mobilekit.core.targets import TfliteTarget
from mobilekit.core.tensors import TensorSpec

FLOAT32 = TfliteTarget()
IMAGE = TensorSpec("image", (1, 3, 8, 6), layout="NCHW")


def _net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Hardswish(), nn.Conv2d(4, 2, 1))


def _kinds(path: Any) -> list[str]:
    from mobilekit.runtime.tflite import TfliteRunner

    return [operator.kind for operator in TfliteRunner(path, delegate=False).operators()]


def test_camera_layout_by_default_without_a_transpose(roundtrip: Any, float32_bar: float) -> None:
    trip = roundtrip(_net(), (IMAGE,), FLOAT32)
    assert trip.relative_l2 <= float32_bar
    assert trip.converted.inputs == (TensorSpec("image", (1, 8, 6, 3), "float32", "NHWC"),)
    assert trip.converted.outputs == (TensorSpec("output", (1, 6, 4, 2), "float32", "NHWC"),)
    assert trip.converted.notes == ()
    assert "TRANSPOSE" not in _kinds(trip.path)


def test_pytorch_layout_when_asked(roundtrip: Any, float32_bar: float) -> None:
    trip = roundtrip(_net(), (IMAGE,), TfliteTarget(layout="nchw"))
    assert trip.converted.inputs == (IMAGE,)
    assert trip.converted.outputs[0].shape == (1, 2, 6, 4)
    assert trip.relative_l2 <= float32_bar


def test_the_signature_has_the_names_and_each_name_its_own_tensor(
    apply: Any, roundtrip: Any, float32_bar: float
) -> None:
    # Neither the inputs nor the outputs are in the order of the alphabet, and all shapes agree,
    # so a permutation would show in the values alone.
    specs = tuple(TensorSpec(name, (2, 3)) for name in ("zeta", "alpha", "mid"))
    net = apply(lambda z, a, m: {"w": z - a, "b": a * m, "k": m + 3 * z})
    trip = roundtrip(net, specs, FLOAT32)
    assert trip.relative_l2 <= float32_bar
    signatures = Interpreter(str(trip.path)).get_signature_list()
    (signature,) = signatures.values()
    assert set(signature["inputs"]) == {"zeta", "alpha", "mid"}
    assert set(signature["outputs"]) == {"w", "b", "k"}


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_integer_inputs(dtype: str, roundtrip: Any, float32_bar: float) -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(5, 3)

        def forward(self, index: torch.Tensor) -> torch.Tensor:
            return self.table(index)

    trip = roundtrip(Table(), (TensorSpec("index", (4,), dtype),), FLOAT32)
    assert trip.relative_l2 <= float32_bar


def test_outputs_that_repeat_or_pass_an_input_on(
    apply: Any, roundtrip: Any, float32_bar: float
) -> None:
    def several(x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = x * 2
        return {"a": y, "b": y, "same": x}

    trip = roundtrip(apply(several), (TensorSpec("x", (2, 3)),), FLOAT32)
    assert set(trip.outputs) == {"a", "b", "same"}
    assert trip.relative_l2 <= float32_bar


def test_float16_weights_halve_the_file_and_round_each_weight_once(roundtrip: Any) -> None:
    net = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 32, 3))
    full = roundtrip(net, (IMAGE,), FLOAT32)
    half = roundtrip(net, (IMAGE,), TfliteTarget(precision="float16"))
    assert half.path.stat().st_size < 0.6 * full.path.stat().st_size
    # A weight's relative rounding error is at most 2^-11 in each of two layers, with float32 sums.
    assert 1e-6 < half.relative_l2 < 2 * 2**-11
    assert half.converted.inputs == full.converted.inputs
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(parameter.half().float())
    assert roundtrip(net, (IMAGE,), TfliteTarget(precision="float16")).relative_l2 <= 1e-5


def test_float16_weights_beyond_256_kib_stay_in_the_file(roundtrip: Any) -> None:
    # 64 * 256 * 9 + 256 * 8 weights of 2 bytes: the quantizer puts so many behind the flat buffer
    net = nn.Sequential(nn.Conv2d(3, 64, 1), nn.Conv2d(64, 256, 3), nn.Conv2d(256, 8, 1))
    trip = roundtrip(net, (IMAGE,), TfliteTarget(precision="float16"))
    assert trip.relative_l2 < 3 * 2**-11  # one rounding of the weights per layer
    model = flatbuffer_utils.read_model(str(trip.path))
    assert trip.path.stat().st_size > 64 * 256 * 9 * 2
    assert b"mobilekit" in [entry.name for entry in model.metadata]


def test_metadata_is_json_in_the_file_and_changes_no_value(roundtrip: Any) -> None:
    trip = roundtrip(
        _net(), (IMAGE,), FLOAT32, labels=("cat", "dog"), metadata={"mobilekit.digest": "abc"}
    )
    model = flatbuffer_utils.read_model(str(trip.path))
    buffers = {entry.name: model.buffers[entry.buffer].data for entry in model.metadata}
    found = json.loads(bytes(buffers[b"mobilekit"]))
    assert found["mobilekit.digest"] == "abc"
    assert found["labels"] == ["cat", "dog"]
    assert found["inputs"] == [{"name": "image", "shape": [1, 8, 6, 3], "layout": "NHWC"}]


def test_two_conversions_are_byte_equal(roundtrip: Any) -> None:
    net = _net()
    first, second = (roundtrip(net, (IMAGE,), FLOAT32) for _ in range(2))
    assert first.path.read_bytes() == second.path.read_bytes()


def test_nothing_else_is_left_beside_the_file(roundtrip: Any) -> None:
    trip = roundtrip(_net(), (IMAGE,), FLOAT32)
    assert [path.name for path in trip.path.parent.iterdir()] == [trip.path.name]


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x: x.unfold(2, 3, 2).unfold(3, 3, 2), "unfold"),
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
    assert line.startswith(f"tflite: operator {operator} in head.1 (conftest.py:")
    assert "\n" not in line


def test_a_refusal_leaves_no_file(apply: Any, roundtrip: Any, tmp_path: Any) -> None:
    with pytest.raises(ExportError):
        roundtrip(apply(lambda x: torch.kthvalue(x, 2)[0]), (IMAGE,), FLOAT32)
    assert list(tmp_path.iterdir()) == []


def test_values_do_not_depend_on_the_delegate(roundtrip: Any) -> None:
    from mobilekit.runtime.tflite import TfliteRunner

    trip = roundtrip(_net(), (IMAGE,), FLOAT32)
    x = {"image": np.random.default_rng(1).standard_normal((1, 8, 6, 3)).astype(np.float32)}
    fast, plain = (TfliteRunner(trip.path, delegate=on).run(x)["output"] for on in (True, False))
    assert np.linalg.norm(fast - plain) <= 1e-5 * np.linalg.norm(plain)


def test_a_constant_made_in_forward(apply: Any, roundtrip: Any, float32_bar: float) -> None:
    net = apply(lambda x: x.index_select(1, torch.tensor([1, 0, 2])) * torch.tensor(0.5))
    spec = TensorSpec("x", (1, 3, 8, 6), layout="NCHW")
    assert roundtrip(net, (spec,), TfliteTarget()).relative_l2 <= float32_bar
