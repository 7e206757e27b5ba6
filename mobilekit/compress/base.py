"""What compression methods are: frozen values whose fields are their options.

A `Step` makes a smaller network of a network. A `During` acts while a network trains: it starts a
`Handle`, which a training loop tells what happens.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from mobilekit.core.quantization_plan import QuantizationPlan
from mobilekit.core.reports import StepReport
from mobilekit.data.task import Labelled

__all__ = [
    "Batch",
    "Context",
    "During",
    "Handle",
    "Step",
    "StepReport",
    "Training",
    "count_parameters",
]


@dataclass(frozen=True, eq=False)
class Training:
    """What training needs beside a network."""

    train: Labelled
    test: Labelled
    """Never trained on; what metrics are of."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """For Lightning's Trainer: accelerator, devices, num_nodes, strategy, precision."""
    folder: Path | None = None
    """Where checkpoints and logs go; a temporary folder without it."""
    resume: bool = False
    """Go on from the last checkpoint in the folder."""
    begin: Callable[[], None] = lambda: None
    """Called when a training really begins, without `resume`: what is there of a former one may go."""
    digest: str = ""
    """Of the recipe, which a checkpoint must be of."""
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Mean and standard deviation per channel by which pixels in 0–1 are normalized for the network."""


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
    training: Training | None = None
    """Labelled data and how to train on it, where there is a data set."""
    original: nn.Module | None = None
    """The network before the first step, for distillation; without it, the one that is trained."""
    labels: tuple[str, ...] = ()
    """Names of the network's classes, where they are known."""
    kept_classes: tuple[int, ...] = ()
    """Which classes of the original network are left, where it was specialized."""
    load: Callable[[str], nn.Module] | None = None
    """Builds a network by a reference, such as a teacher's; None where none can be named."""


class Step(Protocol):
    """A method that turns a network into a smaller one.

    One that takes labelled data, where the recipe has some, says so: `takes_data: ClassVar[bool] = True`.
    """

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return a new network and what was done; the given one is left as found.

        Raises:
            NoEffectError: there was nothing to do.
            ModelError: the network cannot be followed.
        """
        ...


@dataclass(frozen=True, eq=False)
class Batch:
    """What one training step sees."""

    inputs: tuple[Any, ...]
    """Positional inputs of the network."""
    target: Any = None
    """Labels, as the data set gives them."""


class Handle:
    """What a method does while a network trains; by default, nothing.

    The order of calls in a step: `penalty` after the forward pass, `after_backward` and `before_step` before
    the optimizer's step, `after_step` behind it, while the gradients are still there; `after_epoch` at the
    end of an epoch and `finish` at the end of all.
    """

    task_weight: float = 1.0
    """What the loss of the task is multiplied by."""

    def modules(self) -> Iterable[nn.Module]:
        """Return modules of its own that train with the network."""
        return ()

    def meet(self, beside: nn.Module) -> None:
        """Learn what all methods together train beside the network, once they have started."""

    def settle(self) -> None:
        """Take masks and the like to where the network's weights are now."""

    def penalty(self, batch: Batch, outputs: Any) -> Tensor | None:
        """Return a term to add to the loss, shape `[]`, with its graph; None for nothing."""
        del batch, outputs
        return None

    def after_backward(self) -> None:
        """Add gradients in closed form."""

    def before_step(self, optimizer: Optimizer) -> None:
        """Note what the optimizer's next step goes by: a schedule may change its rate right behind it."""

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Change weights after the optimizer has.

        Args:
            progress: share of all steps that are done, above 0, 1 after the last.
            optimizer: whose memory of dead weights is to be cleared too.
        """

    def after_epoch(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Change weights at the end of an epoch."""

    def finish(self) -> tuple[str, ...]:
        """Take away hooks, leave the weights as they are meant to be, and say what was done.

        Raises:
            NoEffectError: nothing was.
        """
        return ()

    def close(self) -> None:
        """Take away hooks; whatever happened, and as often as called."""

    def plan(self) -> QuantizationPlan | None:
        """Return, after `finish`, the grids that weights were left on; None where there are none."""
        return None

    def figures(self) -> dict[str, float]:
        """Return numbers of interest by name: sparsity, zeroed filters, size of a penalty."""
        return {}

    def records(self) -> dict[str, Tensor]:
        """Return small tensors of interest by name, at the end of an epoch.

        `values.<weight>`: a number per filter; `zero.<weight>`: whether each filter is zero;
        `sparsity.<weight>`: share of zeros, shape `[]`.
        """
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to go on: tensors, numbers and texts by name."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave.

        Raises:
            ModelError: it is of another network or recipe.
        """


class During(Protocol):
    """A method that acts while a network trains."""

    def start(self, network: nn.Module, context: Context) -> Handle:
        """Begin to act on a network.

        Raises:
            NoEffectError: there is nothing to do.
            RecipeError: options that the network cannot meet.
            ModelError: the network cannot be followed.
        """
        ...


def count_parameters(network: nn.Module) -> int:
    """Return how many numbers the distinct parameters of a network hold."""
    return sum(parameter.numel() for parameter in network.parameters())
