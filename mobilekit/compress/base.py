"""What a compression step is: a frozen value whose fields are its options, and what it works with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from mobilekit.core.reports import StepReport

__all__ = ["Context", "Step", "StepReport", "count_parameters"]


@dataclass(frozen=True)
class Context:
    """What a step may use beside the network itself."""

    inputs: Sequence[Tensor]
    """Examples of the network's positional inputs, such as `[1, 3, 224, 224]`."""
    calibration: Sequence[tuple[Tensor, ...]] = field(default_factory=tuple)
    """Inputs like those of real use; empty where none are at hand."""
    seed: int = 0
    progress: Callable[[str], None] = lambda _words: None
    provenance: str = ""
    """Where the calibration inputs come from."""


class Step(Protocol):
    """A method that turns a network into a smaller one."""

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return a new network and what was done; the given one is left as found.

        Raises:
            NoEffectError: there was nothing to do.
            ModelError: the network cannot be followed.
        """
        ...


def count_parameters(network: nn.Module) -> int:
    """Return how many numbers the distinct parameters of a network hold."""
    return sum(parameter.numel() for parameter in network.parameters())
