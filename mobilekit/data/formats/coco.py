"""COCO 2017: objects with boxes and outlines.

Objects that are drawn over each other: the one with the smaller box lies in front. Crowds are no
objects to detect; their pixels are those of the class.
"""

from pathlib import Path
from typing import Literal, get_args

from torch.utils.data import Dataset

from mobilekit.core.errors import DataError, suggestion
from mobilekit.data.formats.coco_file import Boxes, Category, ImageEntry, Objects, read_instances
from mobilekit.data.formats.coco_targets import AnyTarget, gather
from mobilekit.data.formats.faults import check_classes, check_place, weigh
from mobilekit.data.formats.pictures import as_tensor, fault, read
from mobilekit.data.formats.placement import Fit, placed
from mobilekit.data.task import BACKGROUND, IGNORED, Labelled, Sample, Split

CocoTask = Literal["segmentation", "detection"]
_PART = {"train": "train2017", "test": "val2017"}
_EXPECTED = "annotations/instances_{train,val}2017.json and the images in train2017/ and val2017/"


def coco(
    path: Path,
    split: Split,
    task: CocoTask,
    classes: tuple[str, ...] | None = None,
    size: int | None = None,
    fit: Fit = "letterbox",
) -> Labelled:
    """Read COCO 2017: colour images, float32 `[3, H, W]`, with boxes or with a class per pixel.

    Images without an object of the classes are left out.

    Args:
        path: folder with `annotations`, `train2017` and `val2017`.
        split: train, or test, which is val2017: the classes of the published test images are secret.
        task: segmentation or detection.
        classes: to read, numbered in this order; all, in the order of the file's numbers, when None.
        size: of both sides, pixels, at least 1; images stay as they are when None.
        fit: how an image is brought to the size.

    Raises:
        DataError: a file is missing or damaged, a class is unknown, or too much is broken.
    """
    check_place(path, split, _EXPECTED)
    _check_options(path, task, size, fit)
    part = _PART[split]
    source, folder = path / "annotations" / f"instances_{part}.json", path / part
    instances = read_instances(source, Boxes if task == "detection" else Objects)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected the images of {source.name} in it")
    named = _chosen(path, task, instances.categories, classes)
    targets, broken_objects = gather(source, instances, _numbers(instances.categories, named))
    shown = [image for image in instances.images if image.id in targets]
    faults = [fault(folder / image.file_name, (image.width, image.height)) for image in shown]
    broken = [text for text in faults if text is not None]
    where = f"COCO {part} in {path.name}"
    remark = weigh(where, broken, len(shown))
    sound = [image for image, text in zip(shown, faults, strict=True) if text is None]
    if not sound:
        raise DataError(f"{where}: no image shows {' or '.join(named[:5])}")
    pictures = CocoImages(folder, [(image, targets[image.id]) for image in sound], size, fit)
    provenance = (
        f"{where}, {task}: {len(sound):,} of {len(instances.images):,} images show a class"
        f"{remark}{broken_objects}"
    )
    names = (BACKGROUND, *named) if task == "segmentation" else named
    return Labelled(task, names, pictures, provenance)


class CocoImages(Dataset[Sample]):
    """Images with what their objects become, read when asked for."""

    def __init__(
        self, folder: Path, images: list[tuple[ImageEntry, AnyTarget]], size: int | None, fit: Fit
    ) -> None:
        """Hold what is known of the images.

        Args:
            folder: of the images.
            images: each with its target.
            size: of both sides, pixels, or None.
            fit: how an image is brought to the size.
        """
        self._folder = folder
        self._images = images
        self._size = size
        self._fit = fit

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        entry, target = self._images[index]
        # Boxes and outlines are those of the pixels as stored, whatever the EXIF orientation says.
        image = read(self._folder / entry.file_name, upright=False)
        if self._size is None:
            return as_tensor(image), target.target(None, entry)
        place = placed(entry.width, entry.height, self._size, self._fit)
        return as_tensor(place.image(image)), target.target(place, entry)

    def labels_of(self, index: int) -> frozenset[int]:
        """Return the class numbers that occur, the background's included in a segmentation."""
        return self._images[index][1].occurring()


def _check_options(path: Path, task: str, size: int | None, fit: str) -> None:
    for what, found, known in (("task", task, get_args(CocoTask)), ("fit", fit, get_args(Fit))):
        if found not in known:
            raise DataError(
                f"{path}: the {what} is {' or '.join(known)}, not {found!r}{suggestion(found, known)}"
            )
    if size is not None and size < 1:
        raise DataError(f"{path}: size must be at least 1 pixel, not {size}")


def _chosen(
    path: Path, task: str, categories: list[Category], classes: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return the names of the classes to read, the background not among them."""
    known = [category.name for category in sorted(categories, key=lambda category: category.id)]
    if classes is not None:
        named = tuple(n for n in classes if task != "segmentation" or n != BACKGROUND)
        check_classes(path, named, known)
    else:
        named = tuple(known)
    if task == "segmentation" and len(named) >= IGNORED:
        raise DataError(f"{path}: {len(named)} classes; a mask holds at most {IGNORED - 1}")
    return named


def _numbers(categories: list[Category], named: tuple[str, ...]) -> dict[int, int]:
    """Return the number in a target, from 1 on, for the number in the file."""
    return {
        category.id: named.index(category.name) + 1
        for category in categories
        if category.name in named
    }
