import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.targets import CoremlTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.runtime.program import Program
from mobilekit.verify.layerwise import LayerError, LayerFinding, _otherwise, explain, first_rise
from tests.verify.conftest import Converted, small, traced

Plant = Callable[[nn.Module], None]
BOUND = 1e-5


@pytest.fixture(params=["tflite", "coreml"])
def file(request: pytest.FixtureRequest) -> Converted:
    found: Converted = request.getfixturevalue(request.param)
    return found


def found(
    file: Converted, program: Program, inputs: dict[str, np.ndarray], folder: Path
) -> LayerFinding:
    return explain(file.path, file.target, program, inputs, file.feed, folder)


def test_a_right_file_has_no_rise(
    file: Converted, program: Program, inputs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    finding = found(file, program, inputs, tmp_path)
    assert finding.rise is None
    assert finding.otherwise is None
    matched = {layer.module for layer in finding.layers if layer.state == "within"}
    # The stem's batch norm is fused into its convolution: the value that is left is the norm's.
    assert {"stem.1", "stem.2", "branch.body.2", "norm", "act", "up", "pool", "head"} <= matched
    assert all(layer.relative_l2 <= BOUND for layer in finding.layers)
    assert "the error rises" not in finding.summary
    assert (tmp_path / finding.plot).read_bytes().lstrip().startswith(b"<?xml")


def test_the_finding_is_plain_json(
    file: Converted, program: Program, inputs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    finding = found(file, program, inputs, tmp_path)
    assert msgspec.convert(msgspec.to_builtins(finding), LayerFinding) == finding


def changed(module: str, tensor: str) -> Plant:
    def plant(net: nn.Module) -> None:
        with torch.no_grad():
            getattr(net.get_submodule(module), tensor).view(-1)[0] += 2

    return plant


def replaced(module: str, by: nn.Module) -> Plant:
    return lambda net: net.set_submodule(module, by)


# The file stays; the network differs from it in one place, which must be named. Where the file
# fuses a convolution with what follows, the first value it shows belongs to the last of them.
PLANTS = [
    ("stem.0.weight", changed("stem.0", "weight"), {"stem.0", "stem.1"}, {"CONV_2D", "conv"}),
    ("stem.1.bias", changed("stem.1", "bias"), {"stem.0", "stem.1"}, {"CONV_2D", "conv"}),
    (
        "branch.0.weight",
        changed("branch.body.0", "weight"),
        {"branch.body.0", "branch.body.1", "branch.body.2"},
        {"CONV_2D", "conv"},
    ),
    (
        "branch.3.bias",
        changed("branch.body.3", "bias"),
        {"branch.body.3", "branch.body.4"},
        {"DEPTHWISE_CONV_2D", "conv"},
    ),
    ("norm.weight", changed("norm", "weight"), {"norm"}, {"ADD", "layer_norm"}),
    ("gelu as tanh", replaced("act", nn.GELU("tanh")), {"act"}, {"GELU", "gelu"}),
    (
        "nearest",
        replaced("up", nn.Upsample(scale_factor=2, mode="nearest")),
        {"up"},
        {"RESIZE_BILINEAR", "upsample_bilinear"},
    ),
    (
        "maximum",
        replaced("pool", nn.AdaptiveMaxPool2d(4)),
        {"pool"},
        {"AVERAGE_POOL_2D", "avg_pool"},
    ),
    ("head.bias", changed("head", "bias"), {"head"}, {"FULLY_CONNECTED", "linear"}),
]


@pytest.mark.parametrize(
    ("plant", "modules", "operators"), [p[1:] for p in PLANTS], ids=[p[0] for p in PLANTS]
)
def test_names_the_operator_where_file_and_network_part(
    file: Converted,
    inputs: dict[str, np.ndarray],
    tmp_path: Path,
    plant: Plant,
    modules: set[str],
    operators: set[str],
) -> None:
    net = small()
    plant(net)
    finding = found(file, traced(net), inputs, tmp_path)
    rise = finding.rise
    assert rise is not None
    assert rise.module in modules
    assert rise.operator in operators
    assert rise.relative_l2 > BOUND
    assert finding.summary.startswith(f"{file.path.name}: the error rises at operator {rise.index}")
    before = [layer for layer in finding.layers if layer.index < rise.index]
    assert all(layer.relative_l2 <= layer.bound for layer in before if layer.state == "within")
    assert rise.operator in (tmp_path / finding.plot).read_text()


def test_names_the_operator_whose_stored_weight_is_wrong(
    tflite: Converted, program: Program, inputs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(tflite.path))
    graph = model.subgraphs[0]
    kinds = [code.builtinCode for code in model.operatorCodes]
    depthwise = 4  # BuiltinOperator.DEPTHWISE_CONV_2D in the schema of TFLite
    place, operator = next(
        (i, o) for i, o in enumerate(graph.operators) if kinds[o.opcodeIndex] == depthwise
    )
    buffer = model.buffers[graph.tensors[operator.inputs[1]].buffer]
    weights = np.frombuffer(bytes(buffer.data), np.float32).copy()
    weights[5] += 1
    buffer.data = np.frombuffer(weights.tobytes(), np.uint8)
    path = tmp_path / "broken.tflite"
    flatbuffer_utils.write_model(model, str(path))
    finding = found(Converted(path, tflite.target, tflite.feed), program, inputs, tmp_path)
    assert finding.rise is not None
    assert (finding.rise.index, finding.rise.operator) == (place, "DEPTHWISE_CONV_2D")
    assert finding.rise.module == "branch.body.4"


class Overflowing(nn.Module):
    """Goes beyond 65,504 on the way, and comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.large = nn.Conv2d(8, 8, 1)
        self.back = nn.Conv2d(8, 4, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(image))
        return self.back(torch.relu(self.large(x)))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("large", "operator"),
    [
        (2e3, "conv"),
        # Weights that are no float16 numbers keep the convolution in float32: the cast overflows.
        (5e5, "cast"),
    ],
)
def test_names_the_operator_that_overflows_in_float16(
    inputs: dict[str, np.ndarray], tmp_path: Path, large: float, operator: str
) -> None:
    from mobilekit.export import coreml

    generator = torch.Generator().manual_seed(2)
    net = Overflowing()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
        net.first.weight *= 30
        net.large.weight *= large
        net.back.weight *= 1e-6
    program = trace(net.eval(), (TensorSpec("image", (1, 3, 16, 16), layout="NCHW"),))
    path = tmp_path / "model.mlpackage"
    coreml.convert(program, CoremlTarget(), path, {})
    finding = explain(path, CoremlTarget(), program, inputs, inputs, tmp_path)
    assert finding.rise is not None
    assert (finding.rise.operator, finding.rise.module) == (operator, "large")
    assert finding.rise.non_finite > 0
    assert "not finite" in finding.summary
    assert (tmp_path / "layers-coreml.svg").is_file()


def layer(index: int, state: str, node: str = "a", error: float = 0.0) -> LayerError:
    return LayerError(index, f"t{index}", "OP", state, node, relative_l2=error, bound=BOUND)  # type: ignore[arg-type]


def test_the_rise_is_the_first_value_beyond_the_bound() -> None:
    layers = (
        layer(0, "within"),
        layer(1, "unmatched"),
        layer(2, "beyond", "b", 0.2),
        layer(3, "beyond", "c", 0.1),
    )
    rise = first_rise(layers)
    assert rise is not None
    assert rise.index == 2


def test_of_several_values_of_one_network_operator_the_nearest_is_its_result() -> None:
    layers = (
        layer(2, "beyond", "norm", 0.8),
        layer(3, "beyond", "norm", 0.1),
        layer(4, "beyond", "act", 0.05),
        layer(5, "beyond", "norm", 0.01),
    )
    rise = first_rise(layers)
    assert rise is not None
    assert rise.index == 3


def test_without_a_value_beyond_there_is_no_rise() -> None:
    assert first_rise((layer(0, "within"), layer(1, "unmatched"))) is None
    assert first_rise(()) is None


def test_the_network_is_left_as_it_was(
    coreml: Converted, program: Program, inputs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    before = {key: value.clone() for key, value in program.exported.state_dict.items()}
    kept = copy.deepcopy(inputs)
    found(coreml, program, inputs, tmp_path)
    assert all(torch.equal(value, before[k]) for k, value in program.exported.state_dict.items())
    assert np.array_equal(inputs["image"], kept["image"])


def test_a_scaled_value_leaves_a_second_suspect() -> None:
    layers = (
        msgspec.structs.replace(layer(1, "beyond", "norm", 0.3), scaled=True),
        layer(2, "beyond", "norm", 0.4),
        layer(3, "beyond", "linear", 0.2),
    )
    rise = first_rise(layers)
    assert rise is not None
    assert rise.index == 1
    assert _otherwise(layers, rise) == layers[2]
    assert _otherwise(layers, layers[2]) is None
    summary = LayerFinding("f", layers, rise, layers[2], "p.svg").summary
    assert "folded its scale into what follows, at operator 3" in summary


def test_importing_it_imports_nothing_heavy() -> None:
    program = (
        "import sys, mobilekit.verify.layerwise, mobilekit.verify.parity;"
        "print([m for m in ('torch', 'numpy', 'matplotlib', 'coremltools') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
