"""What a file's answers are worth: the metric of its task on labelled images, beside the network's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import DataError
from mobilekit.core.reports import MetricReport
from mobilekit.data import images as photographs
from mobilekit.data.images import PixelRange

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays
    from mobilekit.data.catalog import DataConfig
    from mobilekit.data.task import Labelled
    from mobilekit.runtime.program import Program


@dataclass(frozen=True)
class Exam:
    """Labelled images in the network's own layout, with the right answers."""

    inputs: "list[Arrays]"
    targets: tuple[Any, ...]
    data: "Labelled"
    output: str
    """Name of the network's first output."""

    def graded(self, answers: "Sequence[Arrays]", network: float | None = None) -> MetricReport:
        """Return the metric of the answers.

        Args:
            answers: a network's or a file's outputs, one dictionary per image, in the network's layout.
            network: the metric of the network itself; None for the network's own answers.
        """
        import torch

        from mobilekit.compress.fitting.tasks import METRICS, judge, metric_of, value_of

        task = self.data.task
        metric = metric_of(task, len(self.data.classes))
        for outputs, target in zip(answers, self.targets, strict=True):
            found = torch.from_numpy(outputs[self.output].astype("float32"))
            judge(task, metric, found, target.unsqueeze(0))
        value = value_of(metric)
        own = value if network is None else network
        return MetricReport(METRICS[task], value, own, len(self.targets), self.data.provenance)


def exam(
    program: "Program",
    config: "DataConfig",
    labels: tuple[str, ...],
    normalization: Normalization | None,
    count: int,
) -> Exam | str:
    """Take the first test images of a data set as the network wants them.

    Returns:
        The images with their answers; or why there are none: a detection (a file has no boxes), an
        input that is no image, masks of another size, other classes.

    Raises:
        DataError: the data cannot be read.
    """
    from mobilekit.data.catalog import open_data

    _, data = open_data(config)
    names = tuple(name for name in data.classes if name in labels)
    if labels and 0 < len(names) < len(data.classes) and set(labels) <= set(data.classes):
        data = data.restricted(names)
    why = _why_not(program, data)
    if why:
        return why
    samples = [data[index] for index in range(min(count, len(data)))]
    if not samples:
        raise DataError(f"{data.provenance}: there are no test images")
    pixels: PixelRange = "imagenet" if normalization is None else "0-255"
    images = photographs.image_set(
        "labelled", tuple(photographs.as_pixels(image.numpy()) for image, _ in samples), ""
    )
    inputs = photographs.batches(images, program.inputs, pixel_range=pixels)
    return Exam(inputs, tuple(target for _, target in samples), data, program.outputs[0].name)


def _why_not(program: "Program", data: "Labelled") -> str:
    """Say why a network cannot be judged on a data set; nothing where it can."""
    made, (first, *others) = program.outputs[0], program.inputs
    rank = {"classification": 2, "segmentation": 4}.get(data.task)
    if rank is None:
        return f"{data.task} cannot be judged by a file's outputs"
    if others or first.whole.layout != "NCHW" or first.shape[0] != 1:
        return "the network does not take a single image"
    if len(made.shape) != rank or made.shape[1] != len(data.classes):
        return f"{made.name} {list(made.shape)} does not tell {len(data.classes)} classes apart"
    size = tuple(data[0][0].shape[1:])
    if data.task == "segmentation" and size != tuple(first.whole.shape[2:]):
        return f"masks of {list(size)} do not fit images of {list(first.whole.shape[2:])}"
    return ""
