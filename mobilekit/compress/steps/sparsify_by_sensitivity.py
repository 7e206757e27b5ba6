"""Zero filters of the least sensitive layer, train on, and again, until the metric falls too far.

What it does:
    Each round zeroes a further portion of each layer's filters in turn and measures the network on
    images of the training set; the layer that bears it best really loses them. Then the network trains
    on, zeros kept. When the metric on the test set has fallen by more than `drop`, the last round is
    undone and the step ends. `prune` behind it removes the filters.

When to use it:
    When a loss of quality is given and the sparsity is to be found; and to see which layers have filters
    to spare.

When not:
    In a hurry: there are as many short trainings as rounds. For a given sparsity, `sparsify`. Resumed, it
    compares the layers of all rounds anew, and trains those rounds only that had not ended.

Source:
    Hubens' thesis, section 5.3.1 and figure 5.8.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta
from torch import nn

from mobilekit.compress.base import Context, StepReport, Training, count_parameters
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.keeper import forget
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.registry import during_of
from mobilekit.compress.sensitivity.analysis import sensitivity
from mobilekit.compress.sensitivity.labelled import labelled
from mobilekit.compress.sensitivity.measure import Measure
from mobilekit.compress.sensitivity.sweep import Sweep
from mobilekit.compress.sparsity.axes import Axes, sparsifier
from mobilekit.compress.sparsity.criteria import CriterionName
from mobilekit.compress.sparsity.granularity import GranularityName
from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import DataError, NoEffectError
from mobilekit.core.histories import CHECKPOINT
from mobilekit.core.seeding import child_seed


class SparsifyBySensitivity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    takes_data: ClassVar[bool] = True

    drop: Annotated[float, Meta(ge=0, le=1)] = 0.01
    """By which the metric, 0–1, may fall below what it was, on the test set."""
    portion: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    """Share of a layer's filters that go in a round."""
    rounds: Annotated[int, Meta(ge=1)] = 20
    """At most."""
    epochs: Annotated[int, Meta(ge=1)] = 1
    """Of training after each round."""
    batch_size: Annotated[int, Meta(ge=1)] = 64
    optimizer: OptimizerConfig = OptimizerConfig(lr=3e-4, schedule="constant")
    granularity: GranularityName = "filter"
    criterion: CriterionName = "large_final"
    images: Annotated[int, Meta(ge=1)] = 512
    """Of the training set, on which layers are compared."""
    layers: tuple[str, ...] = ()
    """Patterns of names; all layers of the kinds that have the granularity without them."""
    without: tuple[str, ...] = ()
    """Patterns of names of layers that are left alone."""

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the network with zeroed filters.

        Raises:
            DataError: no data set.
            NoEffectError: not one round was bearable.
            MobilekitError: layers without the granularity, or a training that cannot go on.
        """
        training = context.training
        if training is None:
            raise DataError(
                "sparsify_by_sensitivity: the recipe names no data set; add data = { kind = ... }"
            )
        shown = labelled(training.train, count=self.images, statistics=training.statistics)
        judged = labelled(training.test, statistics=training.statistics)
        best, shares = duplicate(network), dict.fromkeys(self._layers(network, context), 0.0)
        start = _value(best, judged)
        course: list[str] = []
        for number in range(1, self.rounds + 1):
            context.progress(f"round {number}: comparing {len(shares)} layers")
            name = self._least_sensitive(best, shares, context, shown)
            if name is None:
                break
            tried, wanted = duplicate(best), {**shares, name: shares[name] + self.portion}
            self._zero(tried, wanted, context)
            self._train_on(tried, context, training, number)
            found = _value(tried, judged)
            context.progress(
                f"round {number}: {name} {wanted[name]:.0%}, {judged.name} {found:.4f}"
            )
            if found < start - self.drop:
                break
            best, shares = tried, wanted
            course.append(f"{name} {wanted[name]:.0%}: {judged.name} {found:.4f}")
        if not course:
            raise NoEffectError(
                f"sparsify_by_sensitivity: not one round keeps {judged.name} within {self.drop} of"
                f" {start:.4f}; allow a larger drop, a smaller portion, or more epochs"
            )
        count = count_parameters(network)
        notes = (f"{judged.name} {start:.4f} at first, on {judged.provenance}", *course)
        return best, StepReport("sparsify_by_sensitivity", count, count, None, notes)

    def _axes(self, shares: Mapping[str, float]) -> Axes:
        return Axes(
            granularity=self.granularity,
            criterion=self.criterion,
            context={name or "*": share for name, share in shares.items() if share > 0},
            layers=[name for name, share in shares.items() if share > 0],
        )

    def _layers(self, network: nn.Module, context: Context) -> list[str]:
        axes = Axes(
            granularity=self.granularity,
            criterion=self.criterion,
            sparsity=0.999,
            context="global",
            layers=self.layers,
            without=self.without,
        )
        made, _ = sparsifier(network, axes, context.inputs)
        return [group.layer for group in made.groups]

    def _least_sensitive(
        self, network: nn.Module, shares: Mapping[str, float], context: Context, shown: Measure
    ) -> str | None:
        """Return the layer whose next portion costs least; None when all are used up."""
        values: dict[str, float] = {}
        for name, share in shares.items():
            if share + self.portion >= 1:
                continue
            sweep = Sweep(
                granularity=self.granularity,
                criterion=self.criterion,
                sparsities=(share + self.portion,),
                layers=(name,),
            )
            report = sensitivity(network, context.inputs, shown, sweep)
            value = report.rows[-1].value
            values[name] = float("-inf") if value is None else value
        return max(values, key=lambda name: values[name]) if values else None

    def _zero(self, network: nn.Module, shares: Mapping[str, float], context: Context) -> None:
        made, _ = sparsifier(network, self._axes(shares), context.inputs, context.seed)
        made.update(1.0)

    def _train_on(
        self, network: nn.Module, context: Context, training: Training, number: int
    ) -> None:
        """Train with the zeros kept, or go on with that; a round that was done is taken as it ended."""
        folder = None if training.folder is None else training.folder / f"round-{number}"
        resume = training.resume and folder is not None and (folder / CHECKPOINT).is_file()
        if number == 1 and training.folder is not None and not training.resume:
            forget(training.folder)
        seed = child_seed(context.seed, "round", str(number))
        inner = replace(
            context, seed=seed, training=replace(training, folder=folder, resume=resume)
        )
        keep = during_of({"kind": "keep_zeros"}, "sparsify_by_sensitivity")
        fit(network, [keep], Course(self.epochs, self.batch_size, self.optimizer), inner)


def _value(network: nn.Module, judged: Measure) -> float:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        return judged.of(network)
    finally:
        for module, mode in modes.items():
            module.training = mode
