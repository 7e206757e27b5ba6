"""What a network is judged by while its parts are made sparse."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

Better = Literal["greater", "less"]
SQNR = "sqnr_db"
"""The one measure that may be infinite."""


@dataclass(frozen=True)
class Measure:
    """A number of a network.

    >>> count = Measure("zeros", lambda network: float((network.weight == 0).sum()), "less")
    >>> layer = nn.Linear(2, 2)
    >>> _ = nn.init.zeros_(layer.weight)
    >>> count.of(layer)
    4.0
    """

    name: str
    of: Callable[[nn.Module], float]
    """Called in evaluation mode and without gradients; what it changes of modes and buffers is undone."""
    better: Better = "greater"
    provenance: str = ""
    """Which inputs or data it is measured on."""
