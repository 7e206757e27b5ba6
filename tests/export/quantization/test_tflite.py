"""Quantized LiteRT files: what they store, what they compute, what is said of them, what is refused."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.tools import flatbuffer_utils
from torch import nn

from mobilekit.core.errors import DataError, ExportError, NoEffectError, RecipeError
from mobilekit.core.quantization import Quantization
from mobilekit.core.targets import TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.export.quantization import tflite
from mobilekit.export.quantization.tflite_file import read
from mobilekit.export.quantization.tflite_layers import layers_of
from mobilekit.export.tflite import convert
from mobilekit.nets.warm import seeded
from mobilekit.runtime.tflite import TfliteRunner

LAYERS = ("stem", "depth", "point", "up", "head")
WEIGHT_FORMS = ("float16", "weights:int8", "weights:int8:tensor", "weights:int4")
OTHER_FORMS = ("dynamic:int8", "dynamic:int4", "static:int8", "static:int8x16")


class Net(nn.Module):
    """Every kind of layer with weights, a padded maximum, and an operator without integer kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.depth = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.point = nn.Conv2d(16, 24, 1)
        self.up = nn.ConvTranspose2d(24, 8, 2, 2)
        self.head = nn.Linear(8, 10)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = torch.relu(self.norm(self.stem(image)))
        x = self.pool(nn.functional.relu6(self.depth(x)))
        x = nn.functional.silu(self.point(x))
        x = self.up(x)
        return {"scores": self.head(x.mean((2, 3))), "map": torch.exp(-x)}


@dataclass(frozen=True)
class Made:
    """A net, its file of floats, and inputs for it."""

    net: Net
    file: Path
    inputs: tuple[dict[str, np.ndarray], ...]
    calibration: tflite.Calibration

    @property
    def network(self) -> dict[str, np.ndarray]:
        return {name: p.detach().numpy() for name, p in self.net.named_parameters() if p.ndim > 1}

    def expected(self, net: nn.Module | None = None) -> list[dict[str, np.ndarray]]:
        """What PyTorch computes, in the layout of the file."""
        found = []
        for arrays in self.inputs:
            image = torch.from_numpy(arrays["image"].transpose(0, 3, 1, 2).copy())
            with torch.no_grad():
                outputs = (net or self.net)(image)
            maps = outputs["map"].numpy().transpose(0, 2, 3, 1)
            found.append({"scores": outputs["scores"].numpy(), "map": maps})
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    generator = torch.Generator().manual_seed(3)
    net = Net()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
        net.norm.weight.abs_()
        net.norm.running_mean.normal_(generator=generator)
        net.norm.running_var.uniform_(0.5, 2.0, generator=generator)
    net.eval()
    file = tmp_path_factory.mktemp("float") / "net.tflite"
    spec = TensorSpec("image", (1, 3, 16, 16), layout="NCHW")
    convert(trace(net, (spec,)), TfliteTarget(), file, {"mobilekit.digest": "abc"}, ("cat", "dog"))
    values = np.random.default_rng(0)
    inputs = tuple({"image": values.random((1, 16, 16, 3)).astype(np.float32)} for _ in range(6))
    return Made(net, file, inputs, tflite.collect(file, inputs))


def _make(made: Made, out: Path, form: str, **options: object) -> tflite.Quantized:
    quantization = Quantization(form, **options)  # type: ignore[arg-type]
    return tflite.quantize(made.file, out, quantization, made.network, calibration=made.calibration)


def _sqnr(made: Made, file: Path, expected: list[dict[str, np.ndarray]]) -> float:
    """The worst output's decibels; integers at the ends are decoded."""
    runner = TfliteRunner(file)
    (spec,) = runner.inputs
    signal, error = {}, {}
    for arrays, wanted in zip(made.inputs, expected, strict=True):
        image = arrays["image"]
        if spec.dtype != "float32":
            low, high = np.iinfo(spec.dtype).min, np.iinfo(spec.dtype).max
            image = np.clip(np.rint(image / spec.step) + spec.zero, low, high).astype(spec.dtype)
        for out, array in runner.run({"image": image}).items():
            end = next(end for end in runner.outputs if end.name == out)
            values = array.astype(np.float64)
            if end.dtype != "float32":
                values = (array.astype(np.float64) - end.zero) * end.step
            signal[out] = signal.get(out, 0.0) + float((wanted[out] ** 2.0).sum())
            error[out] = error.get(out, 0.0) + float(((values - wanted[out]) ** 2.0).sum())
    return min(10 * np.log10(signal[out] / max(error[out], 1e-30)) for out in signal)


def _rounded(weights: torch.Tensor, form: str, axis: int) -> torch.Tensor:
    """What a form keeps of weights: an implementation of its own, in float64."""
    if form == "float16":
        return weights.half().float()
    wide = weights.double()
    largest = 7 if "int4" in form else 127
    others = [dimension for dimension in range(wide.ndim) if dimension != axis]
    size = wide.abs().amax() if form.endswith("tensor") else wide.abs().amax(others, keepdim=True)
    step = (size / largest).float().double()
    return ((wide / step).round().clamp(-largest - 1, largest) * step).float()


def _folded(net: Net) -> Net:
    """The net with its batch norm folded, as the converter does it."""
    folded = copy.deepcopy(net)
    factor = (net.norm.weight / (net.norm.running_var + net.norm.eps).sqrt()).detach()
    shift = (net.norm.bias - net.norm.running_mean * factor).detach()
    folded.stem.weight.data *= factor[:, None, None, None]
    folded.stem.bias = nn.Parameter(shift)
    folded.norm = nn.Identity()
    return folded


@pytest.mark.parametrize("form", WEIGHT_FORMS)
def test_weights_are_rounded_once_and_the_rest_computes_in_float(
    form: str, made: Made, tmp_path: Path
) -> None:
    out = tmp_path / "net.tflite"
    quantized = _make(made, out, form, strict=True)
    rounded = _folded(made.net)
    for name in LAYERS:
        layer = rounded.get_submodule(name)
        axis = 1 if name == "up" else 0
        layer.weight.data = _rounded(layer.weight.data, form, axis)
    # The integers could differ by one where w/step lies on a half; float32 sums give 1e-6.
    assert _sqnr(made, out, made.expected(rounded)) > 80.0
    assert _sqnr(made, out, made.expected()) < 75.0
    assert {row.layer for row in quantized.layers} == set(LAYERS)
    assert {(row.asked, row.stored, row.reason) for row in quantized.layers} == {(form, form, "")}


@pytest.mark.parametrize("form", [form for form in WEIGHT_FORMS + OTHER_FORMS if "int" in form])
def test_no_weight_is_further_than_half_a_step_from_what_it_was(
    form: str, made: Made, tmp_path: Path
) -> None:
    out = tmp_path / "net.tflite"
    quantized = _make(made, out, form)
    folded = _folded(made.net)
    for row, layer in zip(quantized.layers, layers_of(read(out.read_bytes())), strict=True):
        weights = folded.get_submodule(row.layer).weight.detach()
        if row.layer == "up":
            weights = weights.transpose(0, 1)
        wanted = weights.numpy().reshape(layer.weights.shape)
        step = layer.scales.reshape(-1, *[1] * (wanted.ndim - 1))
        assert np.abs(layer.weights - wanted).max() <= 0.5001 * step.max()
        assert (np.abs(layer.weights - wanted) <= 0.5001 * step).all()
        largest = 7 if layer.bits == 4 else 127
        sizes = np.abs(wanted.reshape(len(wanted), -1)).max(axis=1)
        sizes = (
            np.broadcast_to(sizes.max(), layer.scales.shape) if len(layer.scales) == 1 else sizes
        )
        np.testing.assert_allclose(layer.scales, sizes / largest, rtol=1e-5)
        assert row.elements == wanted.size
        assert row.error_energy == pytest.approx(((layer.weights - wanted) ** 2).sum(), rel=1e-3)
        assert row.signal_energy == pytest.approx((wanted**2).sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("form", "least_db"),
    [
        ("dynamic:int8", 30.0),
        ("dynamic:int4", 12.0),
        ("static:int8", 30.0),
        ("static:int8x16", 35.0),
    ],
)
def test_integer_forms_stay_near_the_floats(
    form: str, least_db: float, made: Made, tmp_path: Path
) -> None:
    out = tmp_path / "net.tflite"
    _make(made, out, form)
    assert _sqnr(made, out, made.expected()) > least_db
    runner = TfliteRunner(out)
    assert {spec.dtype for spec in (*runner.inputs, *runner.outputs)} == {"float32"}


@pytest.mark.parametrize("form", ["static:int8:integer-io", "static:int8x16:integer-io"])
def test_integers_at_the_ends_when_asked(form: str, made: Made, tmp_path: Path) -> None:
    out = tmp_path / "net.tflite"
    quantized = _make(made, out, form)
    runner = TfliteRunner(out)
    wanted = "int16" if "x16" in form else "int8"
    assert [spec.dtype for spec in runner.inputs] == [wanted]
    assert {spec.name: spec.dtype for spec in runner.outputs}["scores"] == wanted
    assert {row.stored for row in quantized.layers} == {form}
    assert _sqnr(made, out, made.expected()) > 30.0


@pytest.mark.parametrize("form", [*WEIGHT_FORMS, *OTHER_FORMS, "static:int8:integer-io"])
def test_ends_and_what_the_file_says_of_itself(form: str, made: Made, tmp_path: Path) -> None:
    out = tmp_path / "net.tflite"
    before = made.file.read_bytes()
    _make(made, out, form)
    assert made.file.read_bytes() == before
    old, new = TfliteRunner(made.file), TfliteRunner(out)
    for olds, news in ((old.inputs, new.inputs), (old.outputs, new.outputs)):
        assert [(s.name, s.shape) for s in olds] == [(s.name, s.shape) for s in news]
    model = flatbuffer_utils.read_model(str(out))
    words = {entry.name: bytes(model.buffers[entry.buffer].data) for entry in model.metadata}
    found = json.loads(words[b"mobilekit"])
    assert found["mobilekit.digest"] == "abc"
    assert found["labels"] == ["cat", "dog"]
    assert found["quantization"] == form
    assert [entry.name for entry in model.metadata].count(b"mobilekit") == 1


@pytest.mark.parametrize("form", [*WEIGHT_FORMS, *OTHER_FORMS])
def test_weights_take_no_more_than_they_must(form: str, made: Made, tmp_path: Path) -> None:
    out = tmp_path / "net.tflite"
    quantized = _make(made, out, form)
    bits = 16 if form == "float16" else 4 if "int4" in form else 8
    model = flatbuffer_utils.read_model(str(out))
    sizes = {
        tensor.name.decode(): len(model.buffers[tensor.buffer].data)
        for tensor in model.subgraphs[0].tensors
        if model.buffers[tensor.buffer].data is not None
    }
    zeros = 0
    for row, layer in zip(quantized.layers, layers_of(read(out.read_bytes())), strict=True):
        assert sizes[row.tensor] == row.elements * bits / 8
        assert row.floor_bytes == sizes[row.tensor] + 4 * len(layer.scales)
        zeros += row.stored_bytes - row.floor_bytes
    counts = {len(layer.scales) for layer in layers_of(read(out.read_bytes()))}
    assert zeros == 8 * sum(counts)  # zero points, stored once for each number of channels


def test_layers_of_several_forms_in_one_file(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "net.tflite"
    layers = {"*": "weights:int8", "stem": "float", "p*": "weights:int4", "head": "static:int8"}
    quantized = _make(made, out, "static:int8", layers={**layers, "depth": "dynamic:int8"})
    stored = {row.layer: row.stored for row in quantized.layers}
    assert stored == {
        "stem": "float",
        "depth": "dynamic:int8",
        "point": "weights:int4",
        "up": "weights:int8",
        "head": "static:int8",
    }
    assert [row.asked for row in quantized.layers] == [row.stored for row in quantized.layers]
    names = [row.layer for row in quantized.layers]
    bits = dict(zip(names, (one.bits for one in layers_of(read(out.read_bytes()))), strict=True))
    assert bits == {"stem": 32, "depth": 8, "point": 4, "up": 8, "head": 8}
    assert _sqnr(made, out, made.expected()) > 15.0


def test_all_layers_left_alone_but_one(made: Made, tmp_path: Path) -> None:
    quantized = _make(
        made, tmp_path / "net.tflite", "weights:int8", layers={"*": "float", "up": "weights:int4"}
    )
    stored = {row.layer: (row.asked, row.stored, row.sqnr_db) for row in quantized.layers}
    assert stored["up"][:2] == ("weights:int4", "weights:int4")
    assert stored["stem"] == ("float", "float", np.inf)


def test_what_is_not_stored_as_asked_is_listed_and_refused_under_strict(
    made: Made, tmp_path: Path
) -> None:
    quantized = _make(made, tmp_path / "net.tflite", "dynamic:int4")
    odd = {row.layer: row for row in quantized.layers if row.stored != row.asked}
    assert set(odd) == {"depth", "up"}
    assert {row.stored for row in odd.values()} == {"weights:int4"}
    assert "no dynamic 4-bit kernel for DEPTHWISE_CONV_2D" in odd["depth"].reason
    with pytest.raises(ExportError, match=r"2 of 5 layers .* depth is weights:int4") as raised:
        _make(made, tmp_path / "strict.tflite", "dynamic:int4", strict=True)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "strict.tflite").exists()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (
            "dynamic:int8",
            "1 depthwise convolution (depth) with dynamic integers: outside of XNNPACK",
        ),
        (
            "weights:int4",
            "4 convolutions (stem, depth, point, …) with 4-bit weights: no fast kernels",
        ),
        ("static:int8x16", "16-bit activations have no XNNPACK kernels"),
        ("static:int8", "computes in float, with conversions around it: EXP × 1"),
    ],
)
def test_what_is_slow_or_floats_is_said(form: str, words: str, made: Made, tmp_path: Path) -> None:
    notes = _make(made, tmp_path / "net.tflite", form).notes
    assert any(note.startswith(words) for note in notes), notes


@pytest.mark.parametrize("form", ["float16", "weights:int8"])
def test_nothing_is_said_where_nothing_is_amiss(form: str, made: Made, tmp_path: Path) -> None:
    assert _make(made, tmp_path / "net.tflite", form).notes == ()


def test_the_same_file_however_often_and_after_whatever_else(made: Made, tmp_path: Path) -> None:
    first, other, second = (tmp_path / f"{name}.tflite" for name in ("first", "other", "second"))
    _make(made, first, "static:int8")
    _make(made, other, "weights:int4")
    _make(made, second, "static:int8")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("observer", ["minmax", "percentile", "mse", "entropy"])
def test_ranges_of_the_observer_become_scales(observer: str, made: Made, tmp_path: Path) -> None:
    out = tmp_path / "net.tflite"
    _make(made, out, "static:int8:integer-io", observer=observer)
    image = np.concatenate([arrays["image"].ravel() for arrays in made.inputs])
    (spec,) = TfliteRunner(out).inputs
    low, high = made.calibration.ranges(observer).range(  # type: ignore[arg-type]
        next(iter(made.calibration.ranges("minmax"))),
        observer,  # type: ignore[arg-type]
    )
    assert (low, high) == pytest.approx((0.0, float(image.max())), abs=0.01)
    assert spec.step == pytest.approx((high - low) / 255, rel=1e-4)
    assert _sqnr(made, out, made.expected()) > 25.0


def test_a_file_runs_over_the_inputs_once_for_all_forms_with_minmax(made: Made) -> None:
    assert made.calibration.ranges("minmax") is made.calibration.ranges("minmax")
    assert made.calibration.ranges("mse") is made.calibration.ranges("entropy")


def test_constant_activations(made: Made, tmp_path: Path) -> None:
    zeros = [{"image": np.zeros((1, 16, 16, 3), np.float32)}]
    calibration = tflite.collect(made.file, zeros)
    out = tmp_path / "net.tflite"
    quantization = Quantization("static:int8")
    tflite.quantize(made.file, out, quantization, made.network, calibration=calibration)
    outputs = TfliteRunner(out).run(zeros[0])
    assert all(np.isfinite(array).all() for array in outputs.values())


def test_infinite_activations_are_one_line(made: Made, tmp_path: Path) -> None:
    huge = [
        {"image": 1e30 * made.inputs[0]["image"]},
        {"image": np.full((1, 16, 16, 3), np.inf, np.float32)},
    ]
    calibration = tflite.collect(made.file, huge)
    with pytest.raises(DataError, match="becomes infinite") as raised:
        tflite.quantize(
            made.file,
            tmp_path / "net.tflite",
            Quantization("static:int8"),
            made.network,
            calibration=calibration,
        )
    assert "\n" not in str(raised.value)


def test_no_calibration_inputs(made: Made, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no inputs"):
        tflite.collect(made.file, [])
    with pytest.raises(RecipeError, match="static:int8 needs calibration inputs"):
        tflite.quantize(
            made.file, tmp_path / "net.tflite", Quantization("static:int8"), made.network
        )


def test_quantizing_twice(made: Made, tmp_path: Path) -> None:
    for form in ("weights:int8", "float16"):
        once = tmp_path / f"{form[:5]}.tflite"
        _make(made, once, form)
        with pytest.raises(ExportError, match="is quantized already") as raised:
            tflite.quantize(
                once, tmp_path / "twice.tflite", Quantization("weights:int4"), made.network
            )
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "twice.tflite").exists()


def test_a_variant_in_place_of_its_file(made: Made) -> None:
    with pytest.raises(ExportError, match="would be overwritten"):
        _make(made, made.file, "weights:int8")


def test_patterns_and_forms_that_do_not_exist(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "net.tflite"
    with pytest.raises(RecipeError, match=r"no layer with weights is called 'stam'.* mean stem\?"):
        _make(made, out, "weights:int8", layers={"stam": "float"})
    with pytest.raises(RecipeError, match="has no weights:palette4"):
        _make(made, out, "weights:int8", layers={"stem": "weights:palette4"})
    with pytest.raises(RecipeError, match="5 bits does not exist"):
        _make(made, out, "weights:int5")
    assert not out.exists()


def test_a_network_of_other_weights_gives_the_names_of_tensors(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "net.tflite"
    quantized = tflite.quantize(made.file, out, Quantization("weights:int8"), {})
    assert len({row.layer for row in quantized.layers}) == 5
    assert not {row.layer for row in quantized.layers} & set(LAYERS)


class Products(nn.Module):
    """Products with matrices that are constant: of two dimensions and of three."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.flat = nn.Parameter(torch.randn(12, 20, generator=generator) / 3)
        self.stack = nn.Parameter(torch.randn(2, 20, 5, generator=generator) / 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ self.flat) @ self.stack


@pytest.mark.parametrize("form", ["weights:int8", "dynamic:int8", "static:int8", "static:int8x16"])
def test_products_with_constants(form: str, products: Path, tmp_path: Path) -> None:
    # ai-edge-quantizer's own recipe gives zeros for the second one in the static forms
    values = np.random.default_rng(0).standard_normal((2, 7, 12)).astype(np.float32)
    network = {name: p.detach().numpy() for name, p in Products().named_parameters()}
    out = tmp_path / "net.tflite"
    quantized = tflite.quantize(
        products,
        out,
        Quantization(form, strict=True),
        network,
        calibration=tflite.collect(products, [{"x": values}]),
    )
    assert {row.layer for row in quantized.layers} == {"flat", "stack"}
    with torch.no_grad():
        wanted = Products()(torch.from_numpy(values)).numpy()
    found = TfliteRunner(out).run({"x": values})["output"]
    assert 20 * np.log10(np.linalg.norm(wanted) / np.linalg.norm(found - wanted)) > 28.0


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("products") / "net.tflite"
    spec = TensorSpec("x", (2, 7, 12))
    convert(trace(Products().eval(), (spec,)), TfliteTarget(), file, {})
    return file


def test_a_file_without_weights(tmp_path: Path) -> None:
    file = tmp_path / "net.tflite"
    convert(trace(nn.ReLU().eval(), (TensorSpec("x", (1, 4)),)), TfliteTarget(), file, {})
    with pytest.raises(NoEffectError, match="no layers with weights"):
        tflite.quantize(file, tmp_path / "out.tflite", Quantization("weights:int8"), {})


class Centred(nn.Module):
    """Pixels in 0–1 to −1–1, whose 16-bit scales are next to powers of two."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(image * 2.0 - 1.0))

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(8, 3)


def test_sixteen_bit_sums_run_whatever_their_scales(tmp_path: Path) -> None:
    net, file, out = Centred().eval(), tmp_path / "net.tflite", tmp_path / "small.tflite"
    convert(trace(net, (TensorSpec("image", (1, 8)),)), TfliteTarget(), file, {})
    image = np.linspace(0.0, 1.0, 8, dtype=np.float32)[None]
    network = {"last": net.last.weight.detach().numpy()}
    calibration = tflite.collect(file, [{"image": image}])
    wanted = Quantization("static:int8x16")
    tflite.quantize(file, out, wanted, network, calibration=calibration)
    (found,) = TfliteRunner(out).run({"image": image}).values()
    with torch.no_grad():
        expected = net(torch.from_numpy(image)).numpy()
    assert np.abs(found - expected).max() <= 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["conv", "depthwise", "transposed", "linear"])
def test_filters_of_zeros_keep_their_biases(kind: str, tmp_path: Path) -> None:
    """As pruning and folding leave them: the integer of such a bias would be beyond 32 bits."""
    with seeded(0):
        layer: nn.Module = {
            "conv": lambda: nn.Conv2d(4, 4, 3),
            "depthwise": lambda: nn.Conv2d(4, 4, 3, groups=4),
            "transposed": lambda: nn.ConvTranspose2d(4, 4, 2, 2),
            "linear": lambda: nn.Linear(4, 4),
        }[kind]()
    with torch.no_grad():
        weight = layer.weight.transpose(0, 1) if kind == "transposed" else layer.weight
        weight[:2] = 0
        layer.bias.copy_(torch.tensor([1.5, -0.75, 0.1, 0.2]))
    net = nn.Sequential(layer, nn.ReLU6()).eval()
    plain = kind == "linear"
    spec = TensorSpec("x", (1, 4) if plain else (1, 4, 8, 8), layout="plain" if plain else "NCHW")
    file, out = tmp_path / "floats.tflite", tmp_path / "integers.tflite"
    convert(trace(net, (spec,)), TfliteTarget(), file, {})
    floats = TfliteRunner(file)
    values = np.random.default_rng(0)
    inputs = [{"x": values.random(floats.inputs[0].shape).astype(np.float32)} for _ in range(6)]
    network = {"0": layer.weight.detach().numpy()}
    wanted = Quantization("static:int8")
    calibration = tflite.collect(file, inputs)
    made = tflite.quantize(file, out, wanted, network, calibration=calibration)
    assert any("2 output channels have weights with a larger step" in note for note in made.notes)
    integers = TfliteRunner(out)
    for one in inputs:
        (expected,), (found,) = floats.run(one).values(), integers.run(one).values()
        assert np.abs(found - expected).max() <= 0.03 * np.abs(expected).max()
