"""A small net with each kind of weights, its Core ML files, and what coremltools itself decodes."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mobilekit.core.quantization import Quantization
from mobilekit.core.targets import CoremlTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.coreml import convert
from mobilekit.export.program import trace
from mobilekit.export.quantization.coreml import quantize
from mobilekit.export.quantization.made import Quantized
from mobilekit.runtime import open_model
from mobilekit.runtime.coreml_reference.loader import load_package

IMAGE = TensorSpec("image", (1, 3, 16, 16), layout="NCHW")


class Net(nn.Module):
    """Plain, depthwise and transposed convolutions, a linear layer and a product with a constant."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU6())
        self.depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.point = nn.Conv2d(32, 64, 1)
        self.up = nn.ConvTranspose2d(64, 16, 2, 2)
        self.table = nn.Parameter(torch.empty(16, 24))
        self.head = nn.Linear(24, 20)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
        self.stem[1].weight.data = 0.5 + torch.rand(32, generator=generator)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.depthwise(self.stem(image)))
        x = torch.relu(self.up(self.point(x))).mean((2, 3))
        return self.head(x @ self.table)


def network(net: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in net.state_dict().items() if value.ndim > 1}


def saved(path: Path, **target: Any) -> Path:
    convert(trace(Net().eval(), (IMAGE,)), CoremlTarget(**target), path, {"author": "A. Person"})
    return path


def made(file: Path, out: Path, form: str, **options: Any) -> Quantized:
    """Quantize a file of the net for the system that it is for."""
    statistics = options.pop("statistics", None)
    system = options.pop("minimum_os", "ios18")
    return quantize(
        file,
        out,
        Quantization(form, **options),
        network(Net()),
        minimum_os=system,
        statistics=statistics,
    )


def decoded(file: Path) -> dict[str, np.ndarray]:
    """Constants by name, constant expressions as coremltools decodes them."""
    found: dict[str, np.ndarray] = {}
    for operation in load_package(file).program.functions["main"].operations:
        if operation.op_type == "const":
            found[operation.outputs[0].name] = np.asarray(operation.outputs[0].val)
        if operation.op_type.startswith("constexpr_"):
            ports = {
                port: found[var.name] if var.val is None else var.val
                for port, var in operation.inputs.items()
                if var is not None
            }
            if operation.op_type == "constexpr_cast":
                values = np.asarray(ports["source_val"], np.float32)
            else:
                values = type(operation).decompress(**_positions(operation.op_type, ports))
            values = values if isinstance(values, tuple) else (values,)
            for output, value in zip(operation.outputs, values, strict=True):
                found[output.name] = np.asarray(value)
    return found


def ran(file: Path, seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).standard_normal(IMAGE.shape).astype(np.float32)
    return open_model(file).run({"image": image})["output"].astype(np.float64)


def sqnr_db(actual: np.ndarray, reference: np.ndarray) -> float:
    return float(10 * np.log10((reference**2).sum() / ((actual - reference) ** 2).sum()))


def _positions(kind: str, ports: dict[str, Any]) -> dict[str, Any]:
    """Add the optional arguments that coremltools' functions want to be told."""
    optional = {
        "constexpr_blockwise_shift_scale": ("offset",),
        "constexpr_sparse_blockwise_shift_scale": ("offset",),
        "constexpr_lut_to_sparse": ("vector_axis",),
    }
    wanted = dict.fromkeys(optional.get(kind, ()))
    if kind == "constexpr_lut_to_dense" and "shape" not in ports:
        wanted = {"vector_axis": None}
    return wanted | ports
