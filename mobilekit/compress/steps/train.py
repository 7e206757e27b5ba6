"""Train the network on the recipe's data, with methods that act meanwhile.

What it does:
    Runs Lightning's Trainer on the recipe's data set: cross-entropy for classes and pixels, torchvision's
    own losses for detection. Images are shown otherwise each time where that is asked for: augmented, mixed,
    distorted more in each third. Methods (`during`) act together in the one training. Each epoch is judged
    on the test set as it is; checkpoints go to the folder of the run, from which `--resume` goes on.

When to use it:
    To train from scratch, to fine-tune after `prune` or `specialize`, to sparsify or distil.

When not:
    Without labelled data: `recalibrate` alone helps a pruned network too.

Source:
    Lightning (Falcon et al. 2019). The learning rate's `one_cycle` is Smith and Topin 2018, `mixup` Zhang et
    al. 2018, `label_smoothing` Szegedy et al. 2016, `erase` Zhong et al. 2020; `progressive` is chapter 6 of
    Hubens' thesis, `previous_mask` Tkachenka et al. 2019 and section 5.4.2 of Berthelier's thesis.
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
from mobilekit.core.errors import DataError, NoEffectError, RecipeError
from mobilekit.data.augmentation.configs import AugmentationConfig, PreviousMaskConfig

STEADY = ("distill", "keep_zeros")
"""Methods under which any epoch's weights are as good as those of the end."""
PLAIN = "32-true"
"""Lightning's name for floats of 32 bits throughout."""


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
    augment: tuple[AugmentationConfig, ...] = ()
    """How images of the training are changed, in this order, each a `kind` (`flip`, `affine`, `colour`, `erase`,
    `camera`) and its options; masks and boxes follow."""
    progressive: bool = False
    """Distort images more in each third of the training: blur, noise, JPEG, holes, warp. Classification."""
    mixup: Annotated[float, Meta(ge=0)] = 0.0
    """α of the Beta distribution by which pairs of images and of their losses are mixed; 0: none are.
    Classification."""
    label_smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Share of each label that is spread evenly over all classes."""
    class_weights: Annotated[float, Meta(ge=0, le=2)] = 0.0
    """Exponent e of weights frequency⁻ᵉ of the classes, with a mean of 1; 0: none is weighed."""
    previous_mask: PreviousMaskConfig | None = None
    """How often a network that takes the mask of the frame before is shown an `empty`, a `slight`ly and a
    `strong`ly wrong one, and its `own`, as shares."""
    keep_best: bool = False
    """End with the weights of the epoch that the test set judges best; its metric is then a chosen one."""

    channels_last: bool = False
    """Keep images and weights with their channels last in memory, which most convolutions run faster on."""

    def __post_init__(self) -> None:
        self.methods("train")
        unsteady = [each["kind"] for each in self.during if each["kind"] not in STEADY]
        if self.keep_best and unsteady:
            raise RecipeError(
                f"train: keep_best could go back to before {unsteady[0]} was done; leave one of them out"
            )

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
        from mobilekit.compress.fitting.course import Course
        from mobilekit.compress.fitting.fit import fit
        from mobilekit.compress.fitting.showing import Showing

        if context.training is None:
            raise DataError("train: the recipe names no data set; add data = { kind = ... }")
        result = duplicate(network)
        if not any(parameter.requires_grad for parameter in result.parameters()):
            raise NoEffectError("train: no parameter of the network trains")
        showing = Showing(self.augment, self.progressive, self.mixup, self.previous_mask)
        course = Course(
            self.epochs, self.batch_size, self.optimizer, self.checkpoint_every,
            self.keep_epochs, self.workers, self.clip, showing,
            self.label_smoothing, self.class_weights, self.keep_best, self.channels_last,
        )  # fmt: skip
        history, notes = fit(result, self.methods("train"), course, context)
        result.zero_grad(set_to_none=True)
        shown = history.best if self.keep_best else history.last
        which = f", the best of {len(history.epochs)}," if self.keep_best else ""
        said = (
            f"{history.metric} {shown.metric:.4f} after {shown.epoch} epochs{which} on"
            f" {context.training.train.provenance}{_noted(shown.figures)}"
        )
        precision = context.training.flags.get("precision", PLAIN)
        exactly = (f"trained with --precision {precision}",) if precision != PLAIN else ()
        count = count_parameters(network)
        told = (said, *exactly, *notes)
        return result, StepReport("train", count, count, None, told, plan=history.plan)


def _noted(figures: Mapping[str, float]) -> str:
    return "".join(f", {name} {value:.4g}" for name, value in figures.items())
