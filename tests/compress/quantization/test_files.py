"""Files of both formats, quantized by other people's tools, hold the integers that were trained for."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from mobilekit.compress.base import Context
from mobilekit.compress.during.quantize_aware import QuantizeAware
from mobilekit.core.quantization import Quantization
from mobilekit.core.quantization_plan import QuantizationPlan
from mobilekit.core.targets import CoremlTarget, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export import coreml, tflite
from mobilekit.export.program import Program, trace

Integers = npt.NDArray[np.int64]


def network() -> nn.Sequential:
    """With norms of either sign to be folded, by channel, depthwise, transposed and linear."""
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 12, 1), nn.ReLU(), nn.ConvTranspose2d(12, 10, 2, 2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(10, 5),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in made:
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean):
                    tensor.normal_(generator=generator)
                module.running_var.uniform_(0.2, 3, generator=generator)
            elif hasattr(module, "weight"):
                module.weight.normal_(0, 0.3, generator=generator)
    return made.eval()


def on_grid(method: QuantizeAware) -> tuple[nn.Sequential, QuantizationPlan]:
    """Return the network with its weights on the grid."""
    made = network()
    handle = method.start(made, Context(()))
    handle.finish()
    handle.close()
    return made, handle.plan()


def traced(made: nn.Sequential) -> Program:
    return trace(made, (TensorSpec("image", (1, 3, 12, 12)),))


def trained_for(form: str) -> tuple[Program, dict[str, Integers]]:
    """Return a network on its grid, and its integers, output channel first, signs of norms taken in."""
    made, plan = on_grid(QuantizeAware(form))
    found = {}
    for layer in plan.layers:
        place = int(layer.layer)
        weight = made[place].weight.detach().double().numpy()
        if isinstance(made[place], nn.ConvTranspose2d):
            weight = weight.swapaxes(0, 1)
        rest = (1,) * (weight.ndim - 1)
        integers = np.rint(weight / np.reshape(layer.scales, (-1, *rest)))
        if place < 4:
            integers *= np.sign(made[place + 1].weight.detach().numpy()).reshape(-1, *rest)
        found[layer.layer] = integers.astype(np.int64)
    return traced(made), found


def test_litert_by_ai_edge_quantizer(tmp_path: Path) -> None:
    program, expected = trained_for("weights:int8")
    tflite.convert(program, TfliteTarget(), tmp_path / "float.tflite", {})
    from ai_edge_litert.tools import flatbuffer_utils
    from ai_edge_quantizer import quantizer, recipe

    made = quantizer.Quantizer(str(tmp_path / "float.tflite"))
    made.load_quantization_recipe(recipe.weight_only_wi8_afp32())
    done = made.quantize(None, enable_progress_report=False)
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(done.quantized_model))
    found = []
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is not None and tensor.quantization is not None and len(tensor.shape) > 1:
            found.append(np.asarray(data, np.uint8).view(np.int8).reshape(tensor.shape))
    assert len(found) == len(expected)
    for name, integers in expected.items():
        wanted = integers
        if integers.ndim == 4:  # OHWI; of a depthwise one, 1HWO
            wanted = integers.transpose((1, 2, 3, 0) if name == "3" else (0, 2, 3, 1))
        assert any(np.array_equal(each, wanted) for each in found), name


@pytest.mark.parametrize("bits", [8, pytest.param(4, marks=pytest.mark.slow)])
def test_core_ml_by_coremltools(bits: int, tmp_path: Path) -> None:
    program, expected = trained_for(f"weights:int{bits}")
    coreml.convert(program, CoremlTarget(minimum_os="ios18"), tmp_path / "float.mlpackage", {})
    import coremltools
    from coremltools.converters.mil.frontend.milproto import load
    from coremltools.optimize import coreml as optimize

    options = {"mode": "linear_symmetric", "dtype": f"int{bits}", "granularity": "per_channel"}
    config = optimize.OptimizationConfig(
        optimize.OpLinearQuantizerConfig(**options, weight_threshold=0)
    )
    model = coremltools.models.MLModel(str(tmp_path / "float.mlpackage"), skip_model_load=True)
    made = optimize.linear_quantize_weights(model, config)
    spec = made.get_spec()
    program = load.load(spec, spec.specificationVersion, file_weights_dir=made.weights_dir)
    found = [
        np.asarray(operation.inputs["data"].val).astype(np.int64)
        for operation in program.functions["main"].operations
        if operation.op_type == "constexpr_blockwise_shift_scale"
    ]
    assert len(found) == len(expected)
    for name, integers in expected.items():
        wanted = integers.swapaxes(0, 1) if name == "8" else integers
        assert any(np.array_equal(each, wanted) for each in found), name


MIXED = QuantizeAware("weights:int8", layers={"6": "weights:int4", "11": "float"})


@pytest.mark.parametrize("place", ["tflite", "coreml"])
def test_own_files_lose_nothing_by_the_plan(place: str, tmp_path: Path) -> None:
    made, plan = on_grid(MIXED)
    weights = {name: each.detach().numpy() for name, each in made.named_parameters()}
    asked = Quantization(plan.form, plan.forms, strict=True)
    if place == "tflite":
        from mobilekit.export.quantization.tflite import quantize

        source, out = tmp_path / "float.tflite", tmp_path / "small.tflite"
        tflite.convert(traced(made), TfliteTarget(), source, {})
        rows = quantize(source, out, asked, weights).layers
    else:
        from mobilekit.export.quantization.coreml import quantize as reduce

        source, out = tmp_path / "float.mlpackage", tmp_path / "small.mlpackage"
        coreml.convert(traced(made), CoremlTarget(minimum_os="ios18"), source, {})
        rows = reduce(source, out, asked, weights, minimum_os="ios18", statistics=None).layers
    stored = {row.layer: row.stored for row in rows}
    assert stored == plan.forms
    # integers that all are right leave the scale's error: below 2^-10, rounded up to float16, or 2^-20
    least = 20 * math.log10(2**10 if place == "coreml" else 2**20)
    found = [row.sqnr_db for row in rows if row.stored != "float"]
    assert min(found) >= least
