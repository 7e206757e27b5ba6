"""Which class each file of a folder belongs to."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from mobilekit.core.errors import DataError
from mobilekit.data.formats.faults import weigh
from mobilekit.data.images import SUFFIXES

EXPECTED = (
    "one folder of images per class, or images called cat.123.jpg, or train/ and test/ of these"
)
CLUTTER = frozenset({"BACKGROUND_Google", "__MACOSX"})
"""Folders that are no class: Caltech-101's images of none of its classes, and an archiver's leftovers."""
_FLAT = re.compile(r"(?P<name>[^.]+)\.\d+\.[^.]+")
_UNPACKED = "101_ObjectCategories"
_HELD_BACK = ("test", "val")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Census:
    """The image files below a folder."""

    root: Path
    files: dict[str, list[Path]]
    """Of each class, both in the order of their names."""
    remark: str
    """On images that belong to no class."""


def divided(path: Path) -> dict[str, Path] | None:
    """Return the folders of both splits, where the data set comes divided; `test` goes before `val`.

    Raises:
        DataError: there is a `train` that holds classes, and nothing beside it to test with.
    """
    train = path / "train"
    if not train.is_dir():
        return None
    for name in _HELD_BACK:
        if (path / name).is_dir():
            return {"train": train, "test": path / name}
    if any(_is_class(place) or _FLAT.fullmatch(place.name) for place in train.iterdir()):
        raise DataError(
            f"{path}: has train/, but neither test/ nor val/; give {train}, which will be divided"
        )
    return None


def census(path: Path) -> Census:
    """Find the images of each class.

    Args:
        path: folder with a folder per class, or with images whose names begin with it.

    Raises:
        DataError: there is none, a folder of a class without an image, or too many images of no class.
    """
    root = path / _UNPACKED if (path / _UNPACKED).is_dir() else path
    inside = sorted(place for place in root.iterdir() if not place.name.startswith("."))
    folders = [place for place in inside if _is_class(place)]
    loose = _images([place for place in inside if place.is_file()], root)
    files, strays = _by_folder(folders, loose) if folders else _by_name(loose)
    if not files:
        raise DataError(f"{root}: holds no image of a class; expected {EXPECTED}")
    empty = [name for name, places in files.items() if not places]
    if empty:
        raise DataError(
            f"{root}: no image in {', '.join(empty[:5])}; if {'it is' if len(empty) == 1 else 'they are'} "
            f"no class, move the folder away. Expected {EXPECTED}"
        )
    total = len(strays) + sum(len(places) for places in files.values())
    return Census(root, files, weigh(str(root), strays, total))


def _is_class(place: Path) -> bool:
    return place.is_dir() and place.name not in CLUTTER and not place.name.startswith(".")


def _by_folder(folders: list[Path], loose: list[Path]) -> tuple[dict[str, list[Path]], list[str]]:
    files = {place.name: _images(sorted(place.rglob("*")), place) for place in folders}
    return files, [f"{place.name} (in no folder of a class)" for place in loose]


def _by_name(loose: list[Path]) -> tuple[dict[str, list[Path]], list[str]]:
    files: dict[str, list[Path]] = {}
    strays = []
    for place in loose:
        fits = _FLAT.fullmatch(place.name)
        if fits:
            files.setdefault(fits["name"], []).append(place)
        else:
            strays.append(f"{place.name} (not called like cat.123.jpg)")
    return dict(sorted(files.items())), strays


def _images(places: list[Path], root: Path) -> list[Path]:
    """Return the files that are images by their suffix; a warning names others."""
    files = [place for place in places if place.is_file() and not place.name.startswith(".")]
    others = [place.name for place in files if place.suffix.lower() not in SUFFIXES]
    if others:
        _log.warning(
            "%s: %d files are no images by their suffix and are left out: %s%s",
            root, len(others), ", ".join(others[:3]), ", …" if len(others) > 3 else "",
        )  # fmt: skip
    return [place for place in files if place.suffix.lower() in SUFFIXES]
