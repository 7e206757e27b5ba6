"""Which data sets there are: configurations as data, read without torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from mobilekit.core.errors import DataError

if TYPE_CHECKING:
    from mobilekit.data.task import Labelled

Count = Annotated[int, Meta(ge=1)]
Size = Annotated[int, Meta(ge=16, le=4096)]


class DataBase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every data set's configuration is."""


class DigitsConfig(DataBase, frozen=True, tag="digits"):
    """Digits 28 × 28, drawn from fonts."""

    train: Count = 20_000
    test: Count = 5_000
    seed: int = 0


class ShapesConfig(DataBase, frozen=True, tag="shapes"):
    """Coloured shapes with textures, drawn."""

    task: Literal["classification", "segmentation", "detection"] = "classification"
    train: Count = 8_000
    test: Count = 2_000
    size: Size = 32
    seed: int = 0


class MnistConfig(DataBase, frozen=True, tag="mnist"):
    """MNIST's four files."""

    path: str


class Cifar10Config(DataBase, frozen=True, tag="cifar10"):
    """CIFAR-10, binary version."""

    path: str


class Cifar100Config(DataBase, frozen=True, tag="cifar100"):
    """CIFAR-100, binary version."""

    path: str


class ImageFolderConfig(DataBase, frozen=True, tag="image-folder"):
    """A folder per class, or files named after their class."""

    path: str
    size: Size = 224
    classes: tuple[str, ...] = ()


class CocoConfig(DataBase, frozen=True, tag="coco"):
    """COCO 2017."""

    path: str
    task: Literal["segmentation", "detection"] = "detection"
    size: Size | None = None
    classes: tuple[str, ...] = ()


DataConfig: TypeAlias = (
    DigitsConfig
    | ShapesConfig
    | MnistConfig
    | Cifar10Config
    | Cifar100Config
    | ImageFolderConfig
    | CocoConfig
)


def open_data(config: DataConfig) -> "tuple[Labelled, Labelled]":
    """Open a data set: what is trained on, and what is judged on.

    Raises:
        DataError: files that are missing or damaged.
    """
    return _open(config, "train"), _open(config, "test")


def _open(config: DataConfig, split: Literal["train", "test"]) -> "Labelled":
    from mobilekit.data import formats

    match config:
        case DigitsConfig():
            from mobilekit.data.digits import digits

            return digits(split, getattr(config, split), config.seed)
        case ShapesConfig():
            from mobilekit.data.shapes import shapes

            return shapes(config.task, split, getattr(config, split), config.size, config.seed)
        case MnistConfig():
            return formats.mnist(Path(config.path), split)
        case Cifar10Config():
            return formats.cifar10(Path(config.path), split)
        case Cifar100Config():
            return formats.cifar100(Path(config.path), split)
        case ImageFolderConfig():
            return formats.image_folder(
                Path(config.path), split, config.size, config.classes or None
            )
        case CocoConfig():
            return formats.coco(
                Path(config.path), split, config.task, config.classes or None, config.size
            )


def read_data(text: str) -> DataConfig:
    """Read a data set from a command line: `digits`, `shapes:segmentation`, `mnist:PATH`.

    Raises:
        DataError: no such data set.

    >>> read_data("shapes:detection").task
    'detection'
    """
    kind, _, rest = text.partition(":")
    option = {"digits": "", "shapes": "task"}.get(kind, "path")
    try:
        content = {"kind": kind, **({option: rest} if rest and option else {})}
        found: DataConfig = msgspec.convert(content, DataConfig)
    except msgspec.ValidationError as problem:
        raise DataError(
            f"--data {text}: {problem}; such as digits, shapes:segmentation, mnist:PATH, cifar10:PATH,"
            " image-folder:PATH, coco:PATH"
        ) from problem
    return found
