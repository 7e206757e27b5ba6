"""Activations that a converter lacks or changes, written out."""

import math

import torch
from torch import Tensor, nn

from mobilekit.export.rewrites.rule import Operand, Rule


class GeluTanh(nn.Module):
    """`0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))` (Hendrycks & Gimpel 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1.0 + torch.tanh(inner))


class Celu(nn.Module):
    """`max(0, x) + min(0, α (exp(x / α) − 1))` (Barron 2017)."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        below = self.alpha * (torch.exp(torch.clamp(x, max=0.0) / self.alpha) - 1.0)
        return torch.relu(x) + below


def _gelu(arguments: dict[str, Operand]) -> nn.Module | None:
    return GeluTanh() if arguments["approximate"] == "tanh" else None


def _celu(arguments: dict[str, Operand]) -> nn.Module:
    return Celu(float(arguments["alpha"]))


_COREML = frozenset({"coreml"})
RULES: tuple[Rule, ...] = (
    Rule("gelu-tanh", _COREML, ("aten.gelu.default",), _gelu),
    Rule("celu", _COREML, ("aten.celu.default", "aten.celu_.default"), _celu),
)
