"""A recipe that trains on the grid, and files whose integers are those of the training, in both formats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from mobilekit import pipeline
from mobilekit.core import artifact
from mobilekit.core.quantization import Quantization
from mobilekit.core.quantization_plan import QuantizationPlan, Range, trained_plan
from mobilekit.data.catalog import DigitsConfig
from mobilekit.pipeline.adapting import from_file, to_file
from mobilekit.pipeline.samples import choose_images, sample_inputs
from mobilekit.runtime import open_model
from mobilekit.runtime import program as programs
from mobilekit.runtime.program import Program

RECIPE = """
name = "lenet"
seed = 3
net = { kind = "lenet-caffe" }
data = { kind = "digits", train = 1600, test = 48 }
targets = [{ kind = "coreml", precision = "float32" }, { kind = "tflite" }]

[[steps]]
kind = "train"
epochs = 3
batch_size = 8
during = [{ kind = "quantize_aware", form = "static:int8" }]
"""
DIGITS = DigitsConfig(1600, 48)
FILES = {"coreml": "model-static-int8.mlpackage", "tflite": "model-static-int8.tflite"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a network trained on its grid, static files of both formats in it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "recipe.toml").write_text(RECIPE)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    request = pipeline.ExportRequest(
        reference=str(folder / "recipe.toml"),
        out=folder / "out",
        image_count=2,
        data_count=48,
        runs=0,
    )
    pipeline.export(request, lambda _: None)
    torch.set_num_threads(threads)
    again = pipeline.ExportRequest(
        reference=str(folder / "out"), data=DIGITS, image_count=2, calibrate_count=16, runs=0
    )
    pipeline.quantize(again, tuple((kind, Quantization("static:int8")) for kind in FILES), print)
    return folder / "out"


def plan_of(folder: Path) -> QuantizationPlan:
    plan = trained_plan(artifact.read_manifest(folder).steps)
    assert plan is not None
    return plan


class Rounding(fx.Interpreter):
    """Runs a program with what its layers read, and its output, on the grids of a plan."""

    def __init__(self, program: Program, plan: QuantizationPlan) -> None:
        module = program.exported.module()
        super().__init__(module)
        place = programs.place_of(program)
        known = {one.layer: one.input for one in plan.layers}
        names = {f"{place}{name}.weight": range_ for name, range_ in known.items()}
        self._read = {
            weight.data_ptr(): names[name]
            for name, weight in module.state_dict(keep_vars=True).items()
            if name in names
        }
        assert len(self._read) == len(known)
        self._end = plan.outputs[0]

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        range_ = self._read.get(args[1].data_ptr()) if _weighs(args) else None
        if range_ is not None:
            args = (on_grid(args[0], range_), *args[1:])
        return super().call_function(target, args, kwargs)

    def scores(self, image: np.ndarray, *, rounded: bool) -> np.ndarray:
        with torch.no_grad():
            (found,) = tree_leaves(self.run(torch.from_numpy(image)))
        assert self._end is not None
        return (on_grid(found, self._end) if rounded else found).numpy()


def _weighs(args: Any) -> bool:
    return len(args) > 1 and isinstance(args[1], Tensor)


def on_grid(values: Tensor, range_: Range) -> Tensor:
    step = (range_.high - range_.low) / 255
    zero = round(-range_.low / step)
    return torch.fake_quantize_per_tensor_affine(values, step, zero, 0, 255)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_computes_what_the_rounded_network_does(kind: str, made: Path) -> None:
    manifest = artifact.read_manifest(made)
    (file,) = [one for one in manifest.files if one.path == FILES[kind]]
    program = programs.load(made / artifact.PROGRAM)
    rounded, runner = Rounding(program, plan_of(made)), open_model(made / file.path)
    signal = error = 0.0
    images = choose_images(None, 24, 0, DIGITS)
    for arrays in sample_inputs(program, images, manifest.normalization, 0)[0].inputs:
        (image,) = arrays.values()
        # What only leaves the network stays float in Core ML.
        wanted = rounded.scores(image, rounded=kind == "tflite")
        feed = to_file(arrays, program.inputs, file.inputs, 1.0)
        (found,) = from_file(runner.run(feed), program.outputs, file.outputs).values()
        signal, error = (
            signal + float((wanted**2).sum()),
            error + float(((found - wanted) ** 2).sum()),
        )
        assert found.argmax() == wanted.argmax()
    assert 10 * np.log10(signal / max(error, 1e-30)) >= 30


@pytest.mark.parametrize("kind", FILES)
def test_the_page_says_whose_ranges_they_are(kind: str, made: Path) -> None:
    manifest = artifact.read_manifest(made)
    (file,) = [one for one in manifest.files if one.path == FILES[kind]]
    assert file.parity.verdict == "pass"
    said = [note for note in file.notes if "range of training" in note]
    count = 4 if kind == "coreml" else 3
    assert said[0].startswith(f"what {count} layers read has the range of training")
    # The converter folds the normalization of pixels into the first layer.
    assert [note.partition(":")[0] for note in said[1:]] == ["0"] * (4 - count)


def test_the_scales_of_the_litert_file_are_those_of_the_plan(made: Path) -> None:
    from mobilekit.export.quantization.tflite_file import read
    from mobilekit.export.quantization.tflite_layers import layers_of

    layers = layers_of(read((made / FILES["tflite"]).read_bytes()))
    plan = plan_of(made)
    assert len(layers) == len(plan.layers) == 4
    for layer, one in zip(layers[1:], plan.layers[1:], strict=True):
        assert one.input is not None
        step = (one.input.high - one.input.low) / 255
        assert layer.reads.quantization.scale[0] == pytest.approx(step, rel=1e-6)
        assert layer.reads.quantization.zeroPoint[0] == round(-128 - one.input.low / step)


def test_the_scales_of_the_core_ml_file_are_those_of_the_plan(made: Path) -> None:
    from mobilekit.runtime.coreml_reference.loader import quiet_coremltools

    quiet_coremltools()
    from coremltools.models import MLModel

    spec = MLModel(str(made / FILES["coreml"]), skip_model_load=True).get_spec()
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    constants = {
        one.outputs[0].name: one.attributes["val"]
        for one in block.operations
        if one.type == "const"
    }
    dequantized = {one.outputs[0].name: one for one in block.operations if one.type == "dequantize"}
    read = [
        constants[dequantized[one.inputs["x"].arguments[0].name].inputs["scale"].arguments[0].name]
        for one in block.operations
        if one.type in {"conv", "linear"}
    ]
    steps = [value.immediateValue.tensor.floats.values[0] for value in read]
    wanted = [(one.input.high - one.input.low) / 255 for one in plan_of(made).layers if one.input]
    assert steps == pytest.approx(wanted, rel=1e-6)
