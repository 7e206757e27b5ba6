"""What a task minimises, and by what it is judged."""

from collections.abc import Mapping
from typing import Any

import torch
import torchmetrics
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from mobilekit.compress.fitting.aims import Aim
from mobilekit.compress.fitting.mixing import Mixed
from mobilekit.compress.graph.untouched import evaluating
from mobilekit.compress.outputs import first_of
from mobilekit.core.errors import ModelError
from mobilekit.data.task import IGNORED, Labelled, Task

AUXILIARY = 0.4
"""Weight of a segmentation's auxiliary output, as in Long et al. and torchvision's reference training."""
METRICS: dict[Task, str] = {
    "classification": "accuracy",
    "segmentation": "mean_iou",
    "detection": "average_precision",
}
"""What each task is judged by: greater is better, 0–1."""
AS_IT_IS = Aim()


def task_loss(
    task: Task, network: nn.Module, images: Any, target: Any, aim: Aim = AS_IT_IS
) -> Tensor:
    """Run a network and return the loss of its task, shape `[]`.

    Classification: cross-entropy. Segmentation: cross-entropy over pixels that are judged, auxiliary
    outputs at 0.4. Detection: the sum of what a torchvision detector returns while it trains.

    Args:
        task: which.
        network: in training mode.
        images: `[N, C, H, W]`; of a detection, a list of `[C, H, W]`; a tuple of all inputs where the
            network takes several.
        target: as the data set gives it, batched; or two of each image, whose losses are mixed.
        aim: how cross-entropy is taken.

    Raises:
        ModelError: outputs that do not fit the target.
    """
    if task == "detection":
        losses = network(images, target)
        if not isinstance(losses, Mapping):
            raise ModelError("detection: a network that trains returns its losses by name")
        return torch.stack(list(losses.values())).sum()
    outputs = network(*images) if isinstance(images, tuple) else network(images)
    if isinstance(target, Mixed):
        first, second = (loss_of(task, outputs, each, aim) for each in target[:2])
        return torch.lerp(second, first, target.share[0].to(first.dtype))
    return loss_of(task, outputs, target, aim)


def loss_of(task: Task, outputs: Any, target: Tensor, aim: Aim) -> Tensor:
    """Return the cross-entropy of what a network gives, shape `[]`."""
    if task == "classification":
        logits = _fitting(first_of(outputs), 2)
        return functional.cross_entropy(
            logits, target, _weights(aim, logits), label_smoothing=aim.label_smoothing
        )
    loss = _over_pixels(first_of(outputs), target, aim)
    if isinstance(outputs, Mapping) and len(outputs) > 1:
        others = list(outputs.values())[1:]
        for other in others:
            loss = loss + AUXILIARY * _over_pixels(other, target, aim)
    return loss


def check_fits(network: nn.Module, data: Labelled, image: Tensor, *others: Tensor) -> None:
    """Make sure that a network takes the images and tells the classes apart.

    Args:
        network: in evaluation mode; it is left as found.
        data: whose task and classes count; a detection is not looked at.
        image: one of its images, normalized, `[1, C, H, W]`.
        others: further inputs of the network.

    Raises:
        ModelError: it does not; both sides are named.
    """
    if data.task == "detection":
        return
    try:
        with evaluating(network):
            outputs = first_of(network(image, *others))
    except (RuntimeError, ValueError, TypeError, IndexError) as problem:
        words = " ".join(str(problem).split())[:160]
        raise ModelError(
            f"the network does not take the data's images {_shapes(image, *others)}: {words}"
        ) from problem
    rank = 2 if data.task == "classification" else 4
    if outputs.ndim != rank or outputs.shape[1] != len(data.classes):
        raise ModelError(
            f"the network's first output is {list(outputs.shape)}; {data.provenance} has"
            f" {len(data.classes)} classes ({data.task})"
        )


def metric_of(task: Task, classes: int) -> torchmetrics.Metric:
    """Return what judges a task; each process judges the whole test set, so none waits for another.

    Args:
        task: which.
        classes: as the data set counts them.
    """
    if task == "classification":
        return MulticlassAccuracy(classes, average="micro", sync_on_compute=False)
    if task == "segmentation":
        return MulticlassJaccardIndex(classes, ignore_index=IGNORED, sync_on_compute=False)
    from torchmetrics.detection import MeanAveragePrecision

    return MeanAveragePrecision(iou_thresholds=[0.5], sync_on_compute=False)


def judge(task: Task, metric: torchmetrics.Metric, outputs: Any, target: Any) -> None:
    """Show a metric what the network gives for a batch, in evaluation mode."""
    if task == "detection":
        metric.update(outputs, target)
    elif task == "classification":
        metric.update(first_of(outputs).argmax(1), target)
    else:
        found = _resized(first_of(outputs), target)
        metric.update(found.argmax(1), target)


def value_of(metric: torchmetrics.Metric) -> float:
    """Return what a metric has seen, 0–1."""
    found = metric.compute()
    return float(found["map"] if isinstance(found, Mapping) else found)


def _fitting(logits: Tensor, rank: int) -> Tensor:
    if logits.ndim != rank:
        raise ModelError(
            f"the network's first output is {list(logits.shape)}; a classification needs [N, C]"
        )
    return logits


def _shapes(*inputs: Tensor) -> str:
    return " and ".join(str(list(each.shape)) for each in inputs)


def _weights(aim: Aim, logits: Tensor) -> Tensor | None:
    return None if aim.weights is None else aim.weights.to(logits)


def _over_pixels(logits: Tensor, target: Tensor, aim: Aim) -> Tensor:
    if logits.ndim != 4:
        raise ModelError(
            f"the network's output is {list(logits.shape)}; a segmentation needs [N, C, H, W]"
        )
    return functional.cross_entropy(
        _resized(logits, target),
        target,
        _weights(aim, logits),
        ignore_index=IGNORED,
        label_smoothing=aim.label_smoothing,
    )


def _resized(logits: Tensor, target: Tensor) -> Tensor:
    if logits.shape[2:] == target.shape[1:]:
        return logits
    return functional.interpolate(logits, target.shape[1:], mode="bilinear", align_corners=False)
