"""What the objects of an image become: boxes with their classes, or a class per pixel."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mobilekit.data.formats.coco_file import Box, Boxes, ImageEntry, Instances, Object, RunLengths
from mobilekit.data.formats.faults import weigh
from mobilekit.data.formats.masks import Outline, painted, polygons_of, runs_of
from mobilekit.data.formats.placement import Placement

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class BoxTarget:
    """The boxes of an image."""

    boxes: npt.NDArray[np.float32]
    """Left, top, right, bottom in pixels, float32 `[n, 4]`."""
    labels: npt.NDArray[np.int64]
    """`[n]`."""

    def occurring(self) -> frozenset[int]:
        """Return the class numbers of the boxes."""
        return frozenset(self.labels.tolist())

    def target(self, place: Placement | None, image: ImageEntry) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the boxes on the canvas, or on the image itself, as a target of detection."""
        boxes = self.boxes.copy() if place is None else place.boxes(self.boxes)
        return {"boxes": torch.from_numpy(boxes), "labels": torch.from_numpy(self.labels.copy())}


@dataclass(frozen=True, eq=False)
class MaskTarget:
    """The outlines of an image."""

    objects: tuple[tuple[int, Outline], ...]
    """Class and outline, those in front last."""

    def occurring(self) -> frozenset[int]:
        """Return the background's number and those of the objects, hidden ones included."""
        return frozenset({0, *(label for label, _ in self.objects)})

    def target(self, place: Placement | None, image: ImageEntry) -> Tensor:
        """Return the class of each pixel of the canvas, or of the image itself, int64 `[H, W]`."""
        mask = painted(self.objects, image.height, image.width)
        mask = mask if place is None else place.mask(mask)
        return torch.from_numpy(mask.astype(np.int64))


AnyTarget = BoxTarget | MaskTarget


def gather(
    source: Path, instances: Instances, numbers: dict[int, int]
) -> tuple[dict[int, AnyTarget], str]:
    """Return the targets of the images that show a class, and a remark on what was broken.

    Args:
        source: the file, for messages.
        instances: what it says.
        numbers: of the classes to read: from the file's to the target's.

    Raises:
        DataError: too many objects are broken.
    """
    images = {image.id: image for image in instances.images}
    known = {category.id for category in instances.categories}
    entries: dict[int, list[Box]] = {}
    broken: list[str] = []
    for entry in instances.annotations:
        if entry.image_id not in images:
            broken.append(f"object {entry.id} (unknown image {entry.image_id})")
        elif entry.category_id not in known:
            broken.append(f"object {entry.id} (unknown category {entry.category_id})")
        elif entry.category_id in numbers:
            entries.setdefault(entry.image_id, []).append(entry)
    left_out: Counter[str] = Counter()
    found: dict[int, AnyTarget] = {}
    for number, objects in entries.items():
        if isinstance(instances, Boxes):
            found[number] = _boxes(images[number], objects, numbers, left_out)
        else:
            found[number] = _outlines(images[number], objects, numbers, broken)
    remark = weigh(str(source), broken, len(instances.annotations), "objects")
    if left_out:
        counts = ", ".join(f"{what}: {count:,}" for what, count in sorted(left_out.items()))
        _log.info("%s: left out %s", source, counts)
    return {number: target for number, target in found.items() if target.occurring() - {0}}, remark


def _boxes(
    image: ImageEntry, objects: Sequence[Box], numbers: dict[int, int], left_out: Counter[str]
) -> BoxTarget:
    """Return the boxes that are those of one object and have an area within the image."""
    boxes, labels = [], []
    for entry in objects:
        left, top, width, height = entry.bbox
        edges = (
            max(left, 0.0),
            max(top, 0.0),
            min(left + width, float(image.width)),
            min(top + height, float(image.height)),
        )
        if entry.iscrowd:
            left_out["crowds"] += 1
        elif not (edges[0] < edges[2] and edges[1] < edges[3]):
            left_out["empty boxes"] += 1
        else:
            boxes.append(edges)
            labels.append(numbers[entry.category_id])
    return BoxTarget(np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64))


def _outlines(
    image: ImageEntry, objects: Sequence[Box], numbers: dict[int, int], broken: list[str]
) -> MaskTarget:
    """Return the outlines, small objects in front of large ones."""
    found = []
    outlined = [entry for entry in objects if isinstance(entry, Object)]
    for entry in sorted(outlined, key=lambda entry: -entry.bbox[2] * entry.bbox[3]):
        try:
            found.append((numbers[entry.category_id], _outline(image, entry)))
        except ValueError as problem:
            broken.append(f"object {entry.id} ({problem})")
    return MaskTarget(tuple(found))


def _outline(image: ImageEntry, entry: Object) -> Outline:
    shape = entry.segmentation
    if not isinstance(shape, RunLengths):
        return polygons_of(shape)
    if shape.size != (image.height, image.width):
        raise ValueError(f"runs of an image of {shape.size[1]} × {shape.size[0]} pixels")
    return runs_of(shape.counts, image.height, image.width)
