"""What a training leaves in its folder: the names of its files, and its history as it is read back."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

HISTORY = "history.json"
CHECKPOINT = "last.ckpt"
"""From which a training that was stopped goes on."""
PLACES = ("", "round-[0-9]*/", "[0-9]*-*/", "[0-9]*-*/round-[0-9]*/")
"""Where checkpoints lie: of a training, of a step's rounds, of the steps of a recipe, of their rounds."""


class Epoch(msgspec.Struct, frozen=True):
    """One epoch; None where a number was not finite."""

    epoch: Annotated[int, Meta(ge=1)]
    loss: float | None
    """Of the task, mean over the steps."""
    metric: float | None
    """On the test set; greater is better."""
    figures: dict[str, float | None]
    """Of the methods, by name."""
    kept: bool = False
    """Whether the weights at its end are in the folder."""


class History(msgspec.Struct, frozen=True):
    """A training, epoch by epoch."""

    metric: str
    """What the metric is called, such as `accuracy`."""
    data: str
    """Which data it was trained on."""
    epochs: tuple[Epoch, ...]

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures of all epochs, in the order in which they appear."""
        return tuple(dict.fromkeys(name for epoch in self.epochs for name in epoch.figures))


def weights_name(epoch: int) -> str:
    """Return where the weights of an epoch lie in the folder.

    >>> weights_name(7)
    'epoch-007.safetensors'
    """
    return f"epoch-{epoch:03d}.safetensors"


def records_name(epoch: int) -> str:
    """Return where the tensors of interest of an epoch lie in the folder.

    >>> records_name(7)
    'records/epoch-007.safetensors'
    """
    return f"records/{weights_name(epoch)}"


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a training, or of all trainings of a recipe, by their names."""
    return sorted(path for place in PLACES for path in folder.glob(f"{place}{CHECKPOINT}"))
