"""What the steps of a recipe share: its data set, the network of the beginning, what became of the classes."""

from dataclasses import replace
from typing import TYPE_CHECKING

from mobilekit.core.errors import TrainingError
from mobilekit.pipeline.request import DEFAULT_OUT, Plan

if TYPE_CHECKING:
    from torch import nn

    from mobilekit.compress.base import Context, Training
    from mobilekit.core.artifact import Normalization
    from mobilekit.core.reports import StepReport
    from mobilekit.nets.sources import Source

CHECKPOINT = "last.ckpt"
NEEDS_DATA = {"train", "specialize"}


class Bench:
    """The state of a recipe between its steps.

    Args:
        plan: of the run.
        source: the network of the beginning.

    Raises:
        DataError: the recipe's data set cannot be opened.
        TrainingError: a training shall be gone on with, and none was begun.
    """

    def __init__(self, plan: Plan, source: "Source") -> None:
        self._plan, self._original = plan, source.module
        self._kept: tuple[int, ...] = ()
        out = plan.request.out or DEFAULT_OUT / source.name
        self._folder = out.with_name(f"{out.name}.training")
        self._training: Training | None = None
        if plan.data is not None and any(step["kind"] in NEEDS_DATA for step in plan.steps):
            self._training = self._open(source)

    def extended(self, context: "Context", source: "Source", name: str) -> "Context":
        """Return what a step works with.

        Args:
            context: what every step has.
            source: as it is now.
            name: of the step's folder.
        """
        training = self._training
        if training is not None:
            folder = self._folder / name
            resume = self._plan.request.resume and (folder / CHECKPOINT).is_file()
            training = replace(training, folder=folder, resume=resume)
        return replace(
            context,
            training=training,
            original=self._original,
            labels=source.labels,
            kept_classes=self._kept,
            load=self._load,
        )

    def follow(self, report: "StepReport") -> None:
        """Take note of what a step did to the classes."""
        if not report.kept_classes:
            return
        self._kept = (
            tuple(self._kept[i] for i in report.kept_classes) if self._kept else report.kept_classes
        )
        if self._training is not None:
            known = self._training.train.classes
            names = tuple(name for name in report.class_names if name in known)
            self._training = replace(
                self._training,
                train=self._training.train.restricted(names),
                test=self._training.test.restricted(names),
            )

    def _open(self, source: "Source") -> "Training":
        from mobilekit.compress.base import Training
        from mobilekit.data.catalog import open_data

        if self._plan.request.resume and not list(self._folder.glob(f"*/{CHECKPOINT}")):
            raise TrainingError(
                f"{self._folder}: there is no training to go on with; leave --resume out"
            )
        train, test = open_data(self._plan.data)  # type: ignore[arg-type]
        return Training(
            train,
            test,
            flags=self._plan.request.flags,
            digest=self._plan.recipe_digest,
            statistics=statistics(source),
        )

    def _load(self, reference: str) -> "nn.Module":
        from mobilekit.nets.sources import load_source

        return load_source(reference, arguments={}, weights=None, seed=self._plan.seed).module


def statistics(source: "Source") -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return mean and standard deviation by which pixels in 0–1 become the network's inputs.

    Without a normalization of its own a network of three channels takes ImageNet's.
    """
    from mobilekit.data.images import IMAGENET_MEAN, IMAGENET_STD

    if source.normalization is None:
        shape = source.inputs[0].shape if source.inputs else ()
        return (IMAGENET_MEAN, IMAGENET_STD) if len(shape) == 4 and shape[1] == 3 else None
    return _of_unit(source.normalization)


def _of_unit(normalization: "Normalization") -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Turn statistics of pixels 0–255, scaled, into those of pixels 0–1."""
    scale = 255 * normalization.scale
    mean = tuple(value / scale for value in normalization.mean)
    return mean, tuple(value / scale for value in normalization.std)
