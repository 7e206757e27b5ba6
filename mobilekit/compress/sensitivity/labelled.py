"""What labelled data say of a network: its loss, or the metric of its task."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mobilekit.compress.fitting.tasks import METRICS, judge, metric_of, task_loss, value_of
from mobilekit.compress.sensitivity.measure import Measure
from mobilekit.core.errors import DataError, ModelError, RecipeError, suggestion
from mobilekit.data.task import Labelled, Task, spread

Kind = Literal["loss", "metric"]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation per channel, of pixels in 0–1."""
BATCH = 32
"""Images that are shown at once."""


def labelled(
    data: Labelled,
    kind: Kind = "metric",
    *,
    count: int | None = None,
    statistics: Statistics | None = None,
) -> Measure:
    """Measure the loss, or accuracy, mean IoU or average precision, on images all over a data set.

    The images are read once and kept. The loss is the mean over images of the task's; a detector, whose
    loss exists in training mode only, is in that mode but for its norms and dropouts.

    Args:
        data: what to judge on; not what the network was trained on.
        kind: which.
        count: images, at most; all without it.
        statistics: by which images are normalized for the network.

    Raises:
        RecipeError: another kind.
        DataError: no images.
    """
    if kind not in get_args(Kind):
        raise RecipeError(
            f"sensitivity: with labelled data the measure is {' or '.join(get_args(Kind))}, not"
            f" {kind!r}{suggestion(str(kind), get_args(Kind))}"
        )
    numbers = spread(len(data) if count is None else count, len(data))
    total = len(numbers)
    if total < 1:
        raise DataError(f"{data.provenance}: there are no images to measure on")
    batches = [
        _batch(data, numbers[first : first + BATCH], statistics) for first in range(0, total, BATCH)
    ]
    provenance = f"{total} of {len(data)} images: {data.provenance}"
    if kind == "loss":
        return Measure("loss", partial(_loss, data.task, batches), "less", provenance)
    classes = len(data.classes) + (data.task == "detection")
    of = partial(_metric, data.task, classes, batches)
    return Measure(METRICS[data.task], of, "greater", provenance)


def _batch(data: Labelled, indices: list[int], statistics: Statistics | None) -> tuple[Any, Any]:
    """Return images and targets, of a detection as lists."""
    samples = [data[i] for i in indices]
    images = [_normalized(image, statistics) for image, _ in samples]
    targets = [target for _, target in samples]
    if data.task == "detection":
        return images, targets
    return _stacked(images, data), torch.stack(targets)  # type: ignore[arg-type]  # no boxes


def _stacked(images: Sequence[Tensor], data: Labelled) -> Tensor:
    if len({image.shape for image in images}) > 1:
        raise DataError(f"{data.provenance}: the images differ in size; give them one")
    return torch.stack(list(images))


def _normalized(image: Tensor, statistics: Statistics | None) -> Tensor:
    if statistics is None:
        return image
    mean, deviation = (torch.tensor(each, dtype=image.dtype).view(-1, 1, 1) for each in statistics)
    return (image - mean) / deviation


def _metric(
    task: Task, classes: int, batches: Sequence[tuple[Any, Any]], network: nn.Module
) -> float:
    metric = metric_of(task, classes)
    for images, target in batches:
        with _told(task):
            judge(task, metric, network(images), target)
    return value_of(metric)


def _loss(task: Task, batches: Sequence[tuple[Any, Any]], network: nn.Module) -> float:
    total, seen = 0.0, 0
    with _learning(network, task == "detection"):
        for images, target in batches:
            with _told(task):
                total += float(task_loss(task, network, images, target)) * len(images)
            seen += len(images)
    return total / seen


@contextlib.contextmanager
def _told(task: Task) -> Iterator[None]:
    """Say in one line that network and data do not fit."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError, TypeError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ModelError(f"sensitivity: network and data ({task}) do not fit: {words}") from problem


@contextlib.contextmanager
def _learning(network: nn.Module, needed: bool) -> Iterator[None]:
    """Let a detector return its losses: training mode but for norms and dropouts, with one and the same seed."""
    if not needed:
        yield
        return
    modes = {module: module.training for module in network.modules()}
    try:
        for module in modes:
            module.training = not isinstance(module, (_BatchNorm, _DropoutNd))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
