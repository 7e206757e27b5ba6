"""What an instances file of COCO says, in the form of its page "Data format"."""

from pathlib import Path

import msgspec

from mobilekit.core.errors import DataError


class ImageEntry(msgspec.Struct, gc=False):
    """An image."""

    id: int
    file_name: str
    width: int
    height: int


class Category(msgspec.Struct, gc=False):
    """A class; the numbers have gaps."""

    id: int
    name: str


class RunLengths(msgspec.Struct, gc=False):
    """An outline as runs: text, or numbers."""

    size: tuple[int, int]
    """Height and width."""
    counts: str | list[int]


class Box(msgspec.Struct, gc=False):
    """An object, without its outline."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    """Left, top, width and height in pixels."""
    iscrowd: int = 0


class Object(Box, kw_only=True, gc=False):
    """An object with its outline: polygons, x and y by turns, or runs."""

    segmentation: list[list[float]] | RunLengths


class Boxes(msgspec.Struct):
    """A file, read for its boxes alone: outlines take most of the memory."""

    images: list[ImageEntry]
    categories: list[Category]
    annotations: list[Box]


class Objects(msgspec.Struct):
    """A file, read with the outlines."""

    images: list[ImageEntry]
    categories: list[Category]
    annotations: list[Object]


Instances = Boxes | Objects


def read_instances(path: Path, form: type[Boxes] | type[Objects]) -> Instances:
    """Read an instances file.

    Args:
        path: of the file.
        form: how much of it.

    Raises:
        DataError: it is missing, truncated or of another format.
    """
    try:
        instances: Instances = msgspec.json.decode(path.read_bytes(), type=form)
    except FileNotFoundError as problem:
        raise DataError(
            f"{path}: is missing; expected annotations/{path.name} and the images beside it"
        ) from problem
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise DataError(
            f"{path}: is no instances file of COCO ({problem}); get it again"
        ) from problem
    names = [category.name for category in instances.categories]
    numbers = [category.id for category in instances.categories]
    if not names or len(set(names)) < len(names) or len(set(numbers)) < len(numbers):
        raise DataError(f"{path}: each category needs a name and a number of its own")
    return instances
