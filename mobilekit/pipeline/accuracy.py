"""What a file's answers are worth: the metric of its task on labelled images, beside the network's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from mobilekit.core.artifact import Manifest, ModelFile
from mobilekit.core.errors import DataError
from mobilekit.core.reports import MetricReport
from mobilekit.data import images as photographs
from mobilekit.data.images import PixelRange
from mobilekit.pipeline.scoring import reported

if TYPE_CHECKING:
    from torch import Tensor

    from mobilekit.core.tensors import Arrays
    from mobilekit.data.catalog import DataConfig
    from mobilekit.data.task import Labelled
    from mobilekit.pipeline.delivering import Delivered
    from mobilekit.pipeline.request import Plan
    from mobilekit.runtime.program import Program


@dataclass(frozen=True)
class Part:
    """The right answers to the images of one data set."""

    targets: tuple[Any, ...]
    data: "Labelled"


@dataclass(frozen=True)
class Exam:
    """Labelled images in the network's own layout, with the right answers."""

    inputs: "list[Arrays]"
    """Of all parts, one after the other."""
    parts: tuple[Part, ...]
    output: str
    """Name of the network's first output."""

    def graded(
        self, answers: "Sequence[Arrays]", network: tuple[MetricReport, ...] = ()
    ) -> tuple[MetricReport, ...]:
        """Return what the answers are worth, a report per part.

        Args:
            answers: a network's or a file's outputs, one dictionary per image, in the network's layout.
            network: the reports of the network itself; empty for the network's own answers.
        """
        import torch

        from mobilekit.data.scores import scorer

        reports, start = [], 0
        for place, part in enumerate(self.parts):
            judge = scorer(part.data)
            for outputs, target in zip(answers[start:], part.targets, strict=False):
                found = torch.from_numpy(outputs[self.output].astype("float32"))
                judge.update(found, torch.as_tensor(target).unsqueeze(0))
            own = network[place].value if network else None
            reports.append(reported(judge, part.data, len(part.targets), own))
            start += len(part.targets)
        return tuple(reports)


def exam_of(program: "Program", plan: "Plan", base: Manifest) -> Exam | None:
    """Return the recipe's labelled images, or those that the request names.

    Raises:
        DataError: images that the request or the recipe's `judged` names do not fit the network.
    """
    config = plan.request.data or plan.data
    if config is None:
        return None
    count = plan.request.data_count if plan.request.data else plan.judged_images
    found = exam(program, (config, *plan.judged), base, count)
    if isinstance(found, Exam):
        return found
    if plan.request.data is not None:
        raise DataError(f"--data: {found}")
    if plan.judged:
        raise DataError(f"data and judged: {found}")
    return None


def graded(
    program: "Program",
    labelled: Exam | None,
    delivered: "tuple[Delivered, ...]",
    made: tuple[ModelFile, ...],
    threads: int,
) -> tuple[ModelFile, ...]:
    """Add to each file what its answers to the labelled images are worth."""
    from mobilekit.runtime import program as programs

    if labelled is None:
        return made
    own = [programs.run(program, arrays, threads=threads) for arrays in labelled.inputs]
    network = labelled.graded(own)
    found = []
    for one, file in zip(delivered, made, strict=True):
        first, *others = labelled.graded(one.answers, network)
        found.append(msgspec.structs.replace(file, metric=first, elsewhere=tuple(others)))
    return tuple(found)


def exam(
    program: "Program", configs: "Sequence[DataConfig]", manifest: Manifest, count: int
) -> Exam | str:
    """Take test images of data sets, evenly spaced over each, as the network wants them.

    Args:
        program: the network.
        configs: of the data sets, the most important first.
        manifest: of the network: labels, normalization, and inputs that carry state, which are empty.
        count: images of each data set, at most.

    Returns:
        The images with their answers; or why there are none: a detection (a file has no boxes), an
        input that is no image, masks of another size, other classes.

    Raises:
        DataError: the data cannot be read, or a data set has no test images.
    """
    from mobilekit.data.catalog import open_data
    from mobilekit.data.task import spread

    inputs, parts = [], []
    for config in configs:
        _, data = open_data(config)
        data = _of_classes(data, manifest.labels)
        why = _why_not(program, data, manifest)
        if why:
            return why
        samples = [data[index] for index in spread(count, len(data))]
        if not samples:
            raise DataError(f"{data.provenance}: there are no test images")
        inputs += _as_inputs(program, [image for image, _ in samples], manifest)
        parts.append(Part(tuple(target for _, target in samples), data))
    return Exam(inputs, tuple(parts), program.outputs[0].name)


def _of_classes(data: "Labelled", labels: tuple[str, ...]) -> "Labelled":
    """Leave out classes that a specialized network has not."""
    names = tuple(name for name in data.classes if name in labels)
    if labels and 0 < len(names) < len(data.classes) and set(labels) <= set(data.classes):
        return data.restricted(names)
    return data


def _as_inputs(program: "Program", pictures: "list[Tensor]", manifest: Manifest) -> "list[Arrays]":
    import numpy as np

    pixels: PixelRange = "imagenet" if manifest.normalization is None else "0-255"
    images = photographs.image_set(
        "labelled", tuple(photographs.as_pixels(image.numpy()) for image in pictures), ""
    )
    found = photographs.batches(images, program.inputs, pixel_range=pixels)
    empty = {
        spec.name: np.zeros(spec.shape, np.float32)
        for spec in program.inputs
        if spec.name in manifest.state.values()
    }
    return [{**arrays, **empty} for arrays in found]


def _why_not(program: "Program", data: "Labelled", manifest: Manifest) -> str:
    """Say why a network cannot be judged on a data set; nothing where it can."""
    made, (first, *others) = program.outputs[0], program.inputs
    rank = {"classification": 2, "segmentation": 4}.get(data.task)
    if rank is None:
        return f"{data.task} cannot be judged by a file's outputs"
    if any(one.name not in manifest.state.values() for one in others):
        return "the network takes more than an image"
    if first.whole.layout != "NCHW" or first.shape[0] != 1:
        return "the network does not take a single image"
    if len(made.shape) != rank or made.shape[1] != len(data.classes):
        return f"{made.name} {list(made.shape)} does not tell {len(data.classes)} classes apart"
    size = tuple(data[0][0].shape[1:])
    if data.task == "segmentation" and size != tuple(first.whole.shape[2:]):
        return f"masks of {list(size)} do not fit images of {list(first.whole.shape[2:])}"
    return ""
