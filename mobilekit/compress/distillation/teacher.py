"""How a teacher runs: in evaluation mode, without gradients, in fewer bits if asked, left as found."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import ModelError, RecipeError

PRECISIONS = (torch.bfloat16, torch.float16)


@dataclass(frozen=True, eq=False)
class Teacher:
    """A network that only answers.

    Every call sets evaluation mode and brings the modes back, so that a teacher that is part of a larger
    module may be set to training with it, and its batch norms still learn nothing.
    """

    network: nn.Module
    precision: torch.dtype | None = None
    """bfloat16 or float16 for what autocast lowers; the weights stay as they are. None: as found."""

    def __post_init__(self) -> None:
        if self.precision is not None and self.precision not in PRECISIONS:
            raise RecipeError(
                "distillation: a teacher's precision is bfloat16, float16 or none, not "
                f"{str(self.precision).removeprefix('torch.')}"
            )

    @classmethod
    def before(cls, network: nn.Module, precision: torch.dtype | None = None) -> "Teacher":
        """Return the network as it is now, as a teacher of what becomes of it.

        Raises:
            ModelError: it holds something that cannot be copied.
        """
        return cls(duplicate(network).requires_grad_(requires_grad=False), precision)

    def __call__(self, *inputs: Any) -> Any:
        """Return the network's outputs, without a graph.

        Args:
            inputs: the network's positional inputs.
        """
        with _evaluating(self.network), torch.no_grad(), self._autocast():
            return self.network(*inputs)

    def check_apart(self, student: nn.Module) -> None:
        """Make sure that the teacher does not change while the student learns.

        Raises:
            ModelError: they share a parameter.
        """
        shared = {id(parameter) for parameter in self.network.parameters()}
        for name, parameter in student.named_parameters():
            if id(parameter) in shared and parameter.requires_grad:
                raise ModelError(
                    f"distillation: student and teacher share {name}; take Teacher.before(network)"
                )

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.precision is None:
            return contextlib.nullcontext()
        tensors = itertools.chain(self.network.parameters(), self.network.buffers())
        device = next((tensor.device.type for tensor in tensors), "cpu")
        return torch.autocast(device, dtype=self.precision)


@contextlib.contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    training = [module for module in network.modules() if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True
