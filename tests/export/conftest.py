"""Tiny networks through a converter and back through the format's own runtime."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.targets import SUFFIXES, Target, format_of
from mobilekit.core.tensors import TensorSpec, to_layout
from mobilekit.export.converted import Converted
from mobilekit.export.program import trace
from mobilekit.runtime import open_model
from mobilekit.runtime.program import Program

# The bar of the project for float32 files: relative L2 against PyTorch.
FLOAT32_BAR = 1e-5


@dataclass(frozen=True)
class Trip:
    """A converted file, what it computed, and what PyTorch computes (both in NCHW)."""

    path: Path
    converted: Converted
    outputs: dict[str, np.ndarray]
    references: dict[str, np.ndarray]

    @property
    def relative_l2(self) -> float:
        """The worst output's ‖actual − reference‖ / ‖reference‖."""
        worst = 0.0
        for name, reference in self.references.items():
            actual = self.outputs[name]
            assert actual.shape == reference.shape, name
            wanted = reference.astype(np.float64)
            error = float(np.linalg.norm(actual.astype(np.float64) - wanted))
            worst = max(worst, error / max(float(np.linalg.norm(wanted)), 1e-30))
        return worst


class Apply(nn.Module):
    """A function as a network."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


def arrays_for(specs: tuple[TensorSpec, ...], seed: int = 0) -> dict[str, np.ndarray]:
    """Normal values for floating inputs, small non-negative ones for the others."""
    generator = np.random.default_rng(seed)
    return {
        spec.name: generator.standard_normal(spec.shape).astype(spec.dtype)
        if spec.dtype.startswith("float")
        else generator.integers(0, 5, spec.shape).astype(spec.dtype)
        for spec in specs
    }


@pytest.fixture
def apply() -> Callable[[Callable[..., Any]], nn.Module]:
    return Apply


@pytest.fixture
def roundtrip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trip]:
    """Trace, convert (with or without the pre-flight rewrites), run the file, run PyTorch."""

    def travel(
        net: nn.Module | Program,
        specs: tuple[TensorSpec, ...],
        target: Target,
        *,
        guarded: bool = True,
        labels: tuple[str, ...] = (),
        metadata: dict[str, str] | None = None,
    ) -> Trip:
        program = net if isinstance(net, Program) else trace(net.eval(), specs)
        converter = importlib.import_module(f"mobilekit.export.{format_of(target)}")
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}{SUFFIXES[format_of(target)]}"
        with monkeypatch.context() as patch:
            if not guarded:
                patch.setattr(converter, "rewrite", lambda program, _target: (program, ()))
            converted = converter.convert(program, target, path, metadata or {}, labels)
        arrays = arrays_for(program.inputs)
        with torch.no_grad():
            values = [torch.from_numpy(arrays[spec.name]) for spec in program.inputs]
            expected = program.module(*values)
        references = {
            spec.name: value.numpy() for spec, value in zip(program.outputs, expected, strict=True)
        }
        layouts = {spec.name: spec.layout for spec in (*program.inputs, *program.outputs)}
        given = {
            spec.name: np.ascontiguousarray(
                to_layout(arrays[spec.name], layouts[spec.name], spec.layout).astype(spec.dtype)
            )
            for spec in converted.inputs
        }
        results = open_model(path).run(given)
        outputs = {
            spec.name: to_layout(results[spec.name], spec.layout, layouts[spec.name])
            for spec in converted.outputs
            if spec.name in layouts
        }
        return Trip(path, converted, outputs, references)

    return travel


@pytest.fixture
def float32_bar() -> float:
    return FLOAT32_BAR
