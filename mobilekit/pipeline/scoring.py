"""What a network is worth between the steps of a recipe: all figures of its task, on every data set."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobilekit.core.reports import MetricReport

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mobilekit.data.scores import Scorer
    from mobilekit.data.task import Labelled
    from mobilekit.nets.sources import Source

BATCH = 32


def score(
    network: "nn.Module",
    source: "Source",
    sets: "Sequence[Labelled]",
    count: int,
) -> tuple[MetricReport, ...]:
    """Judge a network on images all over each data set; detections are left out.

    Inputs behind the image, such as the mask of the frame before, are empty.

    Args:
        network: as it is now, on the processor.
        source: says how images are normalized, and what further inputs there are.
        sets: whose classes the network tells apart.
        count: images of each, at most.
    """
    import torch

    from mobilekit.compress.graph.untouched import evaluating
    from mobilekit.compress.outputs import first_of
    from mobilekit.data.scores import scorer
    from mobilekit.data.task import spread

    reports = []
    for data in sets:
        if data.task == "detection":
            continue
        judge, numbers = scorer(data), spread(count, len(data))
        with evaluating(network):
            for start in range(0, len(numbers), BATCH):
                samples = [data[index] for index in numbers[start : start + BATCH]]
                images = torch.stack([image for image, _ in samples])
                target = torch.stack([torch.as_tensor(right) for _, right in samples])
                judge.update(first_of(network(*_inputs(images, source))), target)
        reports.append(reported(judge, data, len(numbers)))
    return tuple(reports)


def reported(
    judge: "Scorer", data: "Labelled", images: int, network: float | None = None
) -> MetricReport:
    """Return what was seen as a report, with the metric that the task is trained by.

    Args:
        judge: that has seen the answers.
        data: whose images they were.
        images: how many.
        network: the metric of the network, where the answers are a file's.
    """
    from mobilekit.compress.fitting.tasks import METRICS

    found = judge.scored()
    metric = METRICS[data.task]
    value = found.figures[metric]
    own = value if network is None else network
    return MetricReport(metric, value, own, images, data.provenance, found.figures, found.per_class)


def _inputs(images: "Tensor", source: "Source") -> "tuple[Tensor, ...]":
    """Return what the network takes for images `[N, C, H, W]` in 0–1."""
    from mobilekit.pipeline.bench import statistics

    found = statistics(source)
    if found is not None:
        mean, deviation = (images.new_tensor(each).view(-1, 1, 1) for each in found)
        images = (images - mean) / deviation
    others = [images.new_zeros(len(images), *spec.shape[1:]) for spec in source.inputs[1:]]
    return (images, *others)
