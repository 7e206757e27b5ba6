import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from mobilekit.core.targets import TfliteTarget
from mobilekit.core.tensors import TensorSpec


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution, a depthwise one and a linear layer as a LiteRT file, made once."""
    from mobilekit.export import tflite
    from mobilekit.export.program import trace

    torch.default_generator.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
    program = trace(net.eval(), (TensorSpec("image", (1, 3, 64, 64), layout="NCHW"),))
    path = tmp_path_factory.mktemp("profile") / "model.tflite"
    tflite.convert(program, TfliteTarget(), path, {})
    return path


@pytest.fixture
def tflite_file(converted: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    shutil.copy(converted, path)
    return path
