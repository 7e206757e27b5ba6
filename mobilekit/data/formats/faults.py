"""When a data set on disk is too broken to be used."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from mobilekit.core.errors import DataError, suggestion
from mobilekit.data.task import Split

MOST_BROKEN = 0.01
"""Share of broken images, or annotations, above which a data set is refused."""
_LISTED = 3
_log = logging.getLogger(__name__)


def check_place(path: Path, split: str, expected: str) -> None:
    """Refuse a folder that is not there, and a split that no data set has.

    Args:
        path: of the data set.
        split: train or test.
        expected: what the folder should hold, for the message.

    Raises:
        DataError: either.
    """
    if split not in get_args(Split):
        raise DataError(
            f"{path}: the split is train or test, not {split!r}{suggestion(split, get_args(Split))}"
        )
    if not path.is_dir():
        found = "is a file" if path.exists() else "no such folder"
        raise DataError(f"{path}: {found}; expected a folder with {expected}")


def check_classes(path: Path, chosen: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names of classes that a data set has not.

    Args:
        path: of the data set.
        chosen: names that were asked for.
        known: names that it has.

    Raises:
        DataError: a name that is unknown or repeated, or none.
    """
    unknown = [name for name in chosen if name not in known]
    if unknown:
        near = "".join(suggestion(name, known) for name in unknown)
        raise DataError(
            f"{path}: has no class {', '.join(unknown)}.{near} "
            f"It has {', '.join(known[:20])}{', …' if len(known) > 20 else ''}"
        )
    if not chosen or len(set(chosen)) < len(chosen):
        raise DataError(
            f"{path}: name at least one class, each once; found {', '.join(chosen) or 'none'}"
        )


def weigh(where: str, broken: Sequence[str], total: int, what: str = "images") -> str:
    """Warn of what is broken and left out, or refuse the data set.

    Args:
        where: the data set or file.
        broken: one line for each that is broken: its name, and what is wrong with it.
        total: how many there are, the broken ones included.
        what: they are.

    Returns:
        A remark for the provenance; nothing when nothing is broken.

    Raises:
        DataError: more than `MOST_BROKEN` of them are broken.
    """
    if not broken:
        return ""
    first = ", ".join(broken[:_LISTED]) + (", …" if len(broken) > _LISTED else "")
    text = f"{len(broken):,} of {total:,} {what} are broken: {first}"
    if len(broken) > MOST_BROKEN * total:
        raise DataError(
            f"{where}: {text}; at most {MOST_BROKEN:.0%} may be. Get the data again, or remove them"
        )
    _log.warning("%s: %s; they are left out", where, text)
    return f" ({len(broken):,} of {total:,} {what} left out as broken)"
