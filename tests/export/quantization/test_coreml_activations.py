"""8-bit activations in Core ML files: where they lie, their ranges, and what a trained net loses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mobilekit.core.errors import DataError
from mobilekit.core.quantization import Observer, Quantization
from mobilekit.core.targets import CoremlTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.data.digits import digits
from mobilekit.export.coreml import convert
from mobilekit.export.program import trace
from mobilekit.export.quantization.coreml import collect, quantize
from mobilekit.export.quantization.coreml_pairs import scale_of
from mobilekit.export.quantization.made import Quantized
from mobilekit.export.quantization.ranges import Ranges
from mobilekit.runtime import open_model
from mobilekit.runtime.coreml_reference.engine import ReferenceRunner
from mobilekit.runtime.coreml_reference.loader import load_package
from tests.export.quantization.coreml_nets import IMAGE, Net, network, ran, saved, sqnr_db


def _images(count: int = 4) -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(1)
    return [
        {"image": generator.standard_normal(IMAGE.shape).astype(np.float32)} for _ in range(count)
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("floats") / "net.mlpackage", minimum_os="ios17")


def _static(file: Path, out: Path, net: nn.Module, statistics: Ranges, **options: Any) -> Quantized:
    words = Quantization(options.pop("form", "static:int8"), **options)
    return quantize(file, out, words, network(net), minimum_os="ios17", statistics=statistics)


def _chains(path: Path) -> list[tuple[str, str, str]]:
    """Return the operators with what makes their `x` and what takes their output."""
    found = []
    for one in load_package(path).program.functions["main"].operations:
        if one.op_type.startswith("const") or "x" not in one.inputs:
            continue
        before = one.inputs["x"].op
        takers = {taker.op_type for taker in one.outputs[0].child_ops}
        found.append((before.op_type if before else "input", one.op_type, "+".join(sorted(takers))))
    return found


def test_pairs_lie_around_operators_and_their_activation_functions(
    file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mlpackage"
    found = _static(file, out, Net().eval(), collect(file, _images(), "minmax"))
    assert _chains(out) == [
        ("input", "cast", "quantize"),
        ("dequantize", "conv", "clip"),  # ReLU6 is computed with it
        ("conv", "clip", "quantize"),
        ("dequantize", "conv", "relu"),
        ("conv", "relu", "quantize"),
        ("dequantize", "conv", "quantize"),
        ("dequantize", "conv_transpose", "relu"),
        ("conv_transpose", "relu", "reduce_mean"),
        ("relu", "reduce_mean", "quantize"),
        ("dequantize", "linear", "quantize"),
        ("dequantize", "linear", "cast"),  # what goes out stays float
        ("linear", "cast", ""),
    ]
    rows = {row.layer: row for row in found.layers}
    assert rows["point"].stored == "static:int8"
    assert rows["up"].stored == "weights:int8"
    assert "conv_transpose computes in floats" in rows["up"].reason
    assert "conv_transpose (1)" in found.notes[0]
    assert "clip" not in found.notes[0]
    assert sqnr_db(ran(out), ran(file)) > 25.0


def test_ranges_are_those_of_the_values_met(file: Path) -> None:
    images = _images(3)
    found = collect(file, images, "minmax")
    runner = ReferenceRunner(file)
    values = [runner.run_all(image) for image in images]
    names = list(found)
    assert len(names) >= 6
    for name in names:
        low = min(float(value[name][1].min()) for value in values)
        high = max(float(value[name][1].max()) for value in values)
        assert found.range(name) == (min(low, 0.0), max(high, 0.0))


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_integers_of_the_file_are_those_of_the_range(precision: Any, tmp_path: Path) -> None:
    file, out = tmp_path / "net.mlpackage", tmp_path / "out.mlpackage"
    saved(file, minimum_os="ios17", precision=precision)
    images = _images()
    statistics = collect(file, images, "minmax")
    _static(file, out, Net().eval(), statistics)
    before, after = (ReferenceRunner(path).run_all(images[0]) for path in (file, out))
    ends = {
        one.inputs["input"].name: one.outputs[0].child_ops[0].outputs[0].name
        for one in load_package(out).program.functions["main"].operations
        if one.op_type == "quantize"
    }
    assert len(ends) >= 6
    for name, end in ends.items():
        values = (after if name in after else before).get(name, ("", images[0].get(name)))[1]
        low, high = statistics.range(name)
        step = (high - low) / 255
        error = np.abs(np.asarray(after[end][1], np.float64) - values)
        inside = (values >= low) & (values <= high)
        # Half a step, and the scale's and the product's own rounding over 255 steps.
        slack = 1.0 + (600 * 2.0**-11 if precision == "float16" else 1e-3)
        assert np.all(error[inside] <= step / 2 * slack), name
        # A value is in the file's integers exactly where it is 0.
        assert not np.any(after[end][1][values == 0])


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 6.0), (-1.0, 1.0), (-3.0, 0.0), (-1e-7, 1e-7), (0.0, 65504.0)]
)
@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_a_scale_covers_the_range_and_keeps_zero(low: float, high: float, kind: str) -> None:
    scale, zero = scale_of(low, high, np.dtype(kind))
    assert scale.dtype == np.dtype(kind)
    step = float(scale)
    assert 0.0 < step < np.inf
    assert step >= (high - low) / 255 * (1 - 1e-12)
    assert (-128 - int(zero)) * step <= low + step / 2
    assert (127 - int(zero)) * step >= high - step / 2


def test_layers_left_in_floats_have_float_activations(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mlpackage"
    layers = {"point": "float", "depthwise": "weights:palette4"}
    found = _static(file, out, Net().eval(), collect(file, _images(), "minmax"), layers=layers)
    stored = {row.layer: row.stored for row in found.layers}
    assert stored["point"] == "float"
    assert stored["depthwise"] == "weights:palette4"
    assert stored["stem.0"] == "static:int8"
    assert [chain[0] for chain in _chains(out) if chain[1] == "conv"][2] == "relu"


def test_one_layer_can_be_the_only_one(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mlpackage"
    found = _static(
        file, out, Net().eval(), collect(file, _images(), "minmax"), form="weights:palette6",
        layers={"stem*": "static:int8"},
    )  # fmt: skip
    assert {row.stored for row in found.layers} == {"static:int8", "weights:palette6"}
    assert next(chain[0] for chain in _chains(out) if chain[1] == "conv") == "dequantize"


def test_no_calibration_inputs_are_refused(file: Path) -> None:
    with pytest.raises(DataError, match="no inputs"):
        collect(file, [], "minmax")


def test_infinite_activations_are_refused(file: Path) -> None:
    images = _images(1)
    images[0]["image"][0, 0, 0, 0] = np.inf
    with pytest.raises(DataError, match="infinite"):
        collect(file, images, "minmax")


def test_activations_that_are_always_zero_stay_zero(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU()).eval()
    with torch.no_grad():
        net[0].weight.zero_()
        net[0].bias.fill_(-1.0)
    file, out = tmp_path / "net.mlpackage", tmp_path / "out.mlpackage"
    convert(trace(net, (IMAGE,)), CoremlTarget("ios17"), file, {})
    _static(file, out, net, collect(file, _images(), "mse"))
    assert np.allclose(ran(out), ran(file), atol=np.abs(ran(file)).max() / 100)


def test_sums_of_two_branches_are_integers(tmp_path: Path) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 16, 1), nn.Conv2d(3, 16, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = functional.silu(self.one(x)) + self.two(x)
            return functional.max_pool2d(y, 2).mean((2, 3))

    net = Sum().eval()
    file, out = tmp_path / "net.mlpackage", tmp_path / "out.mlpackage"
    convert(trace(net, (IMAGE,)), CoremlTarget("ios17"), file, {})
    found = _static(file, out, net, collect(file, _images(), "percentile"))
    chains = {chain[1]: chain for chain in _chains(out)}
    assert chains["add"] == ("dequantize", "add", "quantize")
    assert chains["max_pool"][:2] == ("dequantize", "max_pool")
    assert "silu (1)" in found.notes[0]
    assert sqnr_db(ran(out), ran(file)) > 25.0


def _trained() -> nn.Module:
    """Train for some seconds: three convolutions and a classifier on digits."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU6(),
            nn.Conv2d(32, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, 10),
        )  # fmt: skip
    images, labels = _digits("train", 1500)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for step in range(120):
        chosen = slice(step * 50 % 1500, step * 50 % 1500 + 50)
        optimizer.zero_grad()
        functional.cross_entropy(net(images[chosen]), labels[chosen]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return net.eval()


def _digits(split: Any, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = digits(split, count)
    images = torch.stack([drawn.images[index][0] for index in range(count)])
    return images * 2 - 1, torch.tensor([int(drawn.images[index][1]) for index in range(count)])


@pytest.mark.slow
def test_a_trained_net_stays_within_25_db(tmp_path: Path) -> None:
    net = _trained()
    file, out = tmp_path / "net.mlpackage", tmp_path / "out.mlpackage"
    spec = TensorSpec("image", (1, 1, 28, 28), layout="NCHW")
    convert(trace(net, (spec,)), CoremlTarget("ios17"), file, {})
    shown = [{"image": image[None].numpy()} for image in _digits("train", 32)[0]]
    images, labels = _digits("test", 100)

    def outputs(path: Path) -> np.ndarray:
        runner = open_model(path)
        return np.concatenate([runner.run({"image": x[None].numpy()})["output"] for x in images])

    reference = outputs(file).astype(np.float64)
    right = float((reference.argmax(1) == labels.numpy()).mean())
    assert right > 0.7
    observers: tuple[Observer, ...] = ("minmax", "percentile", "mse", "entropy")
    for observer in observers:
        _static(file, out, net, collect(file, shown, observer), observer=observer)
        found = outputs(out).astype(np.float64)
        assert sqnr_db(found, reference) >= 25.0, observer
        assert float((found.argmax(1) == labels.numpy()).mean()) >= right - 0.03
