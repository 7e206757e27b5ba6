"""One small network with what converters like to fuse, split and move, and its files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.targets import CoremlTarget, Target, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.runtime.program import Program

IMAGE = TensorSpec("image", (1, 3, 16, 16), layout="NCHW")


class Branch(nn.Module):
    """A residual branch with batch norms and an in-place activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.body(x))


class Small(nn.Module):
    """Padding, batch norms, a branch, a layer norm over channels, a resize, a flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.Hardswish()
        )
        self.branch = Branch(8)
        self.norm = nn.LayerNorm(8)
        self.act = nn.GELU()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Linear(8 * 16, 10)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.branch(self.stem(image))
        x = self.act(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return {"scores": self.head(self.pool(self.up(x)).flatten(1))}


def small() -> Small:
    """The network, every parameter and statistic drawn, so that nothing is 0 or 1."""
    generator = torch.Generator().manual_seed(1)
    net = Small()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                shape = module.running_mean.shape  # type: ignore[union-attr]
                module.running_mean = torch.randn(shape, generator=generator) * 0.2
                module.running_var = torch.rand(shape, generator=generator) + 0.5
                module.weight.copy_(torch.rand(shape, generator=generator) + 0.5)
    return net.eval()


def traced(net: nn.Module) -> Program:
    return trace(net.eval(), (IMAGE,))


@dataclass(frozen=True)
class Converted:
    path: Path
    target: Target
    feed: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def program() -> Program:
    return traced(small())


@pytest.fixture(scope="session")
def inputs() -> dict[str, np.ndarray]:
    return {"image": np.random.default_rng(0).standard_normal(IMAGE.shape).astype(np.float32)}


@pytest.fixture(scope="session")
def tflite(
    program: Program, inputs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Converted:
    from mobilekit.export import tflite

    path = tmp_path_factory.mktemp("tflite") / "model.tflite"
    tflite.convert(program, TfliteTarget(), path, {})
    feed = {"image": np.ascontiguousarray(inputs["image"].transpose(0, 2, 3, 1))}
    return Converted(path, TfliteTarget(), feed)


@pytest.fixture(scope="session")
def coreml(
    program: Program, inputs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Converted:
    from mobilekit.export import coreml

    path = tmp_path_factory.mktemp("coreml") / "model.mlpackage"
    target = CoremlTarget(precision="float32")
    coreml.convert(program, target, path, {})
    return Converted(path, target, inputs)
