"""What the steps of a recipe share: its data set, the network of the beginning, what became of the classes."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mobilekit.core.errors import MobilekitError, TrainingError
from mobilekit.core.histories import checkpoints
from mobilekit.pipeline.request import DEFAULT_OUT, ExportRequest, Plan, resolve

if TYPE_CHECKING:
    from torch import nn

    from mobilekit.compress.base import Context, Training
    from mobilekit.core.artifact import Normalization
    from mobilekit.core.reports import StepReport
    from mobilekit.data.catalog import DataConfig
    from mobilekit.data.task import Labelled
    from mobilekit.nets.sources import Source


class Bench:
    """The state of a recipe between its steps.

    Args:
        plan: of the run.
        source: the network of the beginning.
        progress: called with what is being done.

    Raises:
        DataError: the recipe's data set cannot be opened.
        TrainingError: a training shall be gone on with, and none was begun.
    """

    def __init__(
        self,
        plan: Plan,
        source: "Source",
        progress: Callable[[str], None] = lambda _words: None,
    ) -> None:
        self._plan, self._original, self._progress = plan, source.module, progress
        self._kept: tuple[int, ...] = ()
        self._folder = training_folder(plan.request, source.name)
        self._training: Training | None = None
        self._further: tuple[Labelled, ...] = ()
        self._begun = plan.request.resume
        if plan.data is not None and any(_takes_data(step) for step in plan.steps):
            self._training = self._open(source)

    def extended(self, context: "Context", source: "Source", index: int) -> "Context":
        """Return what a step works with.

        Args:
            context: what every step has.
            source: as it is now.
            index: the step's, from 0.
        """
        training = self._training
        if training is not None:
            folder = self._folder / step_folder(index, str(self._plan.steps[index]["kind"]))
            resume = self._plan.request.resume and bool(checkpoints(folder))
            digest = self._plan.digest_until(index + 1)
            training = replace(training, folder=folder, resume=resume, digest=digest)
        return replace(
            context,
            training=training,
            original=self._original,
            labels=source.labels,
            kept_classes=self._kept,
            load=partial(self._load, source),
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
            self._further = tuple(data.restricted(names) for data in self._further)

    def scored(self, report: "StepReport", source: "Source") -> "StepReport":
        """Return a step's report with what the network is worth now, where there are labelled data.

        Args:
            report: what the step did.
            source: the network as it left it.
        """
        from mobilekit.compress.fitting.together import is_first
        from mobilekit.pipeline.scoring import score

        if self._training is None or not is_first():
            return report
        sets = (self._training.test, *self._further)
        self._progress("judging what the network is worth")
        found = score(source.module, source, sets, self._plan.judged_images)
        return msgspec.structs.replace(report, metrics=found)

    def _open(self, source: "Source") -> "Training":
        from mobilekit.compress.base import Training
        from mobilekit.data.catalog import open_data

        if self._plan.request.resume and not checkpoints(self._folder):
            raise TrainingError(
                f"{self._folder}: there is no training to go on with; leave --resume out"
            )
        assert self._plan.data is not None  # noqa: S101  the caller has asked
        train, test = (
            self._kept_on_disk(one, self._plan.data) for one in open_data(self._plan.data)
        )
        self._further = tuple(
            self._kept_on_disk(open_data(one)[1], one) for one in self._plan.judged
        )
        return Training(
            train,
            test,
            flags=self._plan.request.flags,
            begin=self._begin,
            statistics=statistics(source),
        )

    def _kept_on_disk(self, data: "Labelled", config: "DataConfig") -> "Labelled":
        """Return a data set that reads its images from shards, where the request names a folder for them."""
        from mobilekit.data.shards import cached

        folder = self._plan.request.cache
        if folder is None or data.task == "detection":
            return data
        path = getattr(config, "path", None)
        return cached(data, folder, self._progress, _cores() - 1, Path(path) if path else None)

    def _begin(self) -> None:
        """Forget, when the first training of a run begins, where a former run could be gone on with."""
        from mobilekit.compress.fitting.keeper import forget

        if not self._begun:
            forget(self._folder)
        self._begun = True

    def _load(self, student: "Source", reference: str) -> "nn.Module":
        from mobilekit.pipeline.loading import trained

        return trained(reference, student, self._plan.seed)


def _cores() -> int:
    """Return how many cores this process may use."""
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


def _takes_data(step: Mapping[str, Any]) -> bool:
    """Say whether a step works on labelled data, where the recipe has some."""
    from mobilekit.compress.registry import options_of

    return bool(getattr(options_of(str(step["kind"])), "takes_data", False))


def stopped(request: ExportRequest) -> str:
    """Say what became of a recipe's training when a person stopped the run.

    Args:
        request: of the run; its artifact came to be whole or not at all.

    Returns:
        One line; empty where nothing trained.
    """
    try:
        plan = resolve(request)
    except MobilekitError:  # the lines of an ablation, between two of them
        return ""
    folder = training_folder(request, plan.recipe_name)
    if not plan.steps or not folder.is_dir():
        return ""
    if checkpoints(folder):
        return (
            f"interrupted; no artifact was written, and the training is kept in {folder}: mobilekit run"
            " --resume goes on with it"
        )
    return f"interrupted before the first checkpoint in {folder}; no artifact was written"


def training_folder(request: ExportRequest, name: str) -> Path:
    """Return where the trainings of a run lie: beside its artifact.

    Args:
        request: of the run.
        name: of the network.
    """
    out = request.out or DEFAULT_OUT / name
    return out.with_name(f"{out.name}.training")


def step_folder(index: int, kind: str) -> str:
    """Return the name of a step's folder in that of the trainings.

    >>> step_folder(0, "train")
    '1-train'
    """
    return f"{index + 1}-{kind}"


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
