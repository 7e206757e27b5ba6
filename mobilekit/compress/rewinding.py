"""Back to what a module was at some step: weights, statistics, and the optimizer's memory of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Memory = dict[str, dict[str, Any]]


@dataclass
class Point:
    """What a module was."""

    weights: dict[str, Tensor]
    """Parameters and buffers by their names in the state dict."""
    memory: Memory = field(default_factory=dict)
    """What the optimizer remembers of a parameter, by its name; empty before the first step."""

    @classmethod
    def of(cls, module: nn.Module, optimizer: Optimizer | None = None) -> "Point":
        """Return what a module is now; without an optimizer, what it is before the first step."""
        weights = {
            name: each.detach().clone()
            for name, each in module.state_dict().items()
            if isinstance(each, Tensor)
        }
        if optimizer is None:
            return cls(weights)
        memory = {
            name: _copied(optimizer.state[parameter])
            for name, parameter in module.named_parameters()
            if optimizer.state.get(parameter)
        }
        return cls(weights, memory)

    @torch.no_grad()
    def restore(self, module: nn.Module, optimizer: Optimizer | None = None) -> None:
        """Make a module, and what the optimizer remembers of it, what it was."""
        now = module.state_dict()
        for name, each in self.weights.items():
            now[name].copy_(each)
        if optimizer is None:
            return
        for name, parameter in module.named_parameters():
            if name in self.memory:
                optimizer.state[parameter] = {
                    key: each.to(parameter.device) if _alike(each, parameter) else each
                    for key, each in _copied(self.memory[name]).items()
                }
            else:
                optimizer.state.pop(parameter, None)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and texts."""
        weights = {name: each.clone() for name, each in self.weights.items()}
        return {"weights": weights, "memory": self.memory}


def _copied(memory: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: each.detach().clone() if isinstance(each, Tensor) else each
        for key, each in memory.items()
    }


def _alike(kept: Any, parameter: Tensor) -> bool:
    """Say whether it lives where the parameter does; a count of steps does not."""
    return isinstance(kept, Tensor) and kept.shape == parameter.shape
