"""Train the network on the recipe's data, with methods that act meanwhile.

What it does:
    Runs Lightning's Trainer on the recipe's data set: cross-entropy for classes and pixels, torchvision's
    own losses for detection. Methods (`during`) act together in the one training. Each epoch is judged on
    the test set; checkpoints go to the folder of the run, from which `--resume` goes on.

When to use it:
    To train from scratch, to fine-tune after `prune` or `specialize`, to sparsify or distil.

When not:
    Without labelled data: `recalibrate` alone helps a pruned network too.

Source:
    Lightning (Falcon et al. 2019). The learning rate's `one_cycle` is Smith and Topin 2018.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta
from torch import nn

from mobilekit.compress.base import Context, During, StepReport, count_parameters
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.registry import during_of
from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import DataError, NoEffectError


class Train(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    takes_data: ClassVar[bool] = True

    epochs: Annotated[int, Meta(ge=1)] = 10
    batch_size: Annotated[int, Meta(ge=1)] = 64
    """Images per step, of all devices together."""
    optimizer: OptimizerConfig = OptimizerConfig()
    during: tuple[dict[str, Any], ...] = ()
    """Methods that act while it trains, each a `kind` and its options."""
    checkpoint_every: Annotated[int, Meta(ge=0)] = 0
    """Steps between checkpoints; 0: at the end of each epoch."""
    keep_epochs: bool = False
    """Keep the weights of every epoch, to choose among them afterwards."""
    workers: Annotated[int, Meta(ge=0)] = 0
    """Processes that read images, per device."""
    clip: Annotated[float, Meta(ge=0)] = 0.0
    """Greatest norm of the gradient; 0 for no limit."""

    def __post_init__(self) -> None:
        self.methods("train")

    def methods(self, where: str) -> tuple[During, ...]:
        """Return the methods that act.

        Raises:
            RecipeError: an unknown one, or an option of one; the key path is named.
        """
        return tuple(
            during_of(options, f"{where}.during[{place}]")
            for place, options in enumerate(self.during)
        )

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the trained network.

        Raises:
            DataError: no data set.
            NoEffectError: nothing in the network trains.
            MobilekitError: as `fit`.
        """
        from mobilekit.compress.fitting.fit import Course, fit

        if context.training is None:
            raise DataError("train: the recipe names no data set; add data = { kind = ... }")
        result = duplicate(network)
        if not any(parameter.requires_grad for parameter in result.parameters()):
            raise NoEffectError("train: no parameter of the network trains")
        course = Course(
            self.epochs, self.batch_size, self.optimizer, self.checkpoint_every,
            self.keep_epochs, self.workers, self.clip,
        )  # fmt: skip
        history, notes = fit(result, self.methods("train"), course, context)
        result.zero_grad(set_to_none=True)
        best = _noted(history.last.figures)
        said = (
            f"{history.metric} {history.last.metric:.4f} after {len(history.epochs)} epochs on"
            f" {context.training.train.provenance}{best}"
        )
        count = count_parameters(network)
        return result, StepReport("train", count, count, None, (said, *notes), plan=history.plan)


def _noted(figures: Mapping[str, float]) -> str:
    return "".join(f", {name} {value:.4g}" for name, value in figures.items())
