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


class FacesConfig(DataBase, frozen=True, tag="faces"):
    """Parts of faces, drawn."""

    style: Literal["faces", "faces-hard"] = "faces"
    """`faces-hard` has other poses, hair, backgrounds and cameras: to judge on, not to train on."""
    train: Count = 12_000
    test: Count = 1_000
    size: Annotated[int, Meta(ge=16, le=512)] = 96
    seed: int = 0


class ForgeriesConfig(DataBase, frozen=True, tag="forgeries"):
    """Real and forged faces, drawn."""

    style: Literal["faces", "faces-hard"] = "faces"
    splices: tuple[Literal["self", "swap", "parts", "seamless"], ...] = ("self", "swap")
    """Kinds of forgery: a face over itself, another face, its eyes or mouth, another face by its gradients."""
    train: Count = 12_000
    test: Count = 2_000
    size: Annotated[int, Meta(ge=32, le=512)] = 96
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


class HelenConfig(DataBase, frozen=True, tag="helen"):
    """Helen with the labels of Smith et al.: parts of faces."""

    path: str
    size: Size = 256
    seed: int = 0
    """Of the margins around the faces to train on."""


class LapaConfig(DataBase, frozen=True, tag="lapa"):
    """LaPa: parts of faces."""

    path: str
    size: Size = 256
    seed: int = 0


class CelebAMaskHqConfig(DataBase, frozen=True, tag="celebamask-hq"):
    """CelebAMask-HQ: parts of faces."""

    path: str
    size: Size = 256
    seed: int = 0


class DfdcConfig(DataBase, frozen=True, tag="dfdc"):
    """The Deepfake Detection Challenge: frames of videos, real or fake."""

    path: str
    size: Size = 256
    frames: Count = 16
    """Of each video."""
    share: Annotated[float, Meta(gt=0, lt=1)] = 0.8
    """Of the original videos that go to train, where no test videos are held back."""
    seed: int = 0


FilesConfig: TypeAlias = (
    MnistConfig
    | Cifar10Config
    | Cifar100Config
    | ImageFolderConfig
    | CocoConfig
    | HelenConfig
    | LapaConfig
    | CelebAMaskHqConfig
    | DfdcConfig
)
"""Those that are files of the user's."""

DataConfig: TypeAlias = DigitsConfig | ShapesConfig | FacesConfig | ForgeriesConfig | FilesConfig


def open_data(config: DataConfig) -> "tuple[Labelled, Labelled]":
    """Open a data set: what is trained on, and what is judged on.

    Raises:
        DataError: files that are missing or damaged.
    """
    return _open(config, "train"), _open(config, "test")


def _open(config: DataConfig, split: Literal["train", "test"]) -> "Labelled":
    match config:
        case DigitsConfig():
            from mobilekit.data.digits import digits

            return digits(split, getattr(config, split), config.seed)
        case ShapesConfig():
            from mobilekit.data.shapes import shapes

            return shapes(config.task, split, getattr(config, split), config.size, config.seed)
        case FacesConfig():
            from mobilekit.data.faces import faces

            return faces(split, getattr(config, split), config.size, config.seed, config.style)
        case ForgeriesConfig():
            return _forged(config, split)
        case _:
            return _read(config, split)


def _forged(config: ForgeriesConfig, split: Literal["train", "test"]) -> "Labelled":
    from mobilekit.data.forgeries import forgeries

    count = getattr(config, split)
    return forgeries(split, count, config.size, config.seed, config.splices, config.style)


def _read(config: FilesConfig, split: Literal["train", "test"]) -> "Labelled":
    from mobilekit.data import formats

    path = Path(config.path)
    match config:
        case MnistConfig():
            return formats.mnist(path, split)
        case Cifar10Config():
            return formats.cifar10(path, split)
        case Cifar100Config():
            return formats.cifar100(path, split)
        case ImageFolderConfig():
            return formats.image_folder(path, split, config.size, config.classes or None)
        case CocoConfig():
            return formats.coco(path, split, config.task, config.classes or None, config.size)
        case DfdcConfig():
            return formats.dfdc(path, split, config.size, config.frames, config.share, config.seed)
        case HelenConfig() | LapaConfig() | CelebAMaskHqConfig():
            readers = {
                HelenConfig: formats.helen,
                LapaConfig: formats.lapa,
                CelebAMaskHqConfig: formats.celebamask_hq,
            }
            return readers[type(config)](path, split, config.size, config.seed)


def read_data(text: str) -> DataConfig:
    """Read a data set from a command line: `digits`, `shapes:segmentation`, `mnist:PATH`.

    Raises:
        DataError: no such data set.

    >>> read_data("shapes:detection").task
    'detection'
    """
    kind, _, rest = text.partition(":")
    option = {"digits": "", "shapes": "task", "faces": "style", "forgeries": "style"}.get(
        kind, "path"
    )
    try:
        content = {"kind": kind, **({option: rest} if rest and option else {})}
        found: DataConfig = msgspec.convert(content, DataConfig)
    except msgspec.ValidationError as problem:
        raise DataError(
            f"--data {text}: {problem}; such as digits, shapes:segmentation, faces, faces:faces-hard, forgeries,"
            " mnist:PATH, cifar10:PATH, image-folder:PATH, coco:PATH, helen:PATH, lapa:PATH,"
            " celebamask-hq:PATH, dfdc:PATH"
        ) from problem
    return found
