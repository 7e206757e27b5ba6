"""Which classes change places in a mirror: those named after a side."""

from collections.abc import Sequence

from mobilekit.core.errors import RecipeError

SIDES = {"left": "right", "right": "left"}


def mirrored_classes(classes: Sequence[str]) -> tuple[int, ...]:
    """Return the number that each class has in the mirror.

    A class `left …` changes places with `right …`, also where the words are joined by `-` or `_`; the
    others stay.

    Args:
        classes: names, in the order of their numbers.

    Raises:
        RecipeError: a class of one side without that of the other.

    >>> mirrored_classes(("background", "left eye", "right eye", "nose"))
    (0, 2, 1, 3)
    """
    numbers = {_plain(name): number for number, name in enumerate(classes)}
    return tuple(_mirrored(name, number, numbers) for number, name in enumerate(classes))


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def _mirrored(name: str, number: int, numbers: dict[str, int]) -> int:
    side, _, rest = _plain(name).partition(" ")
    if side not in SIDES:
        return number
    other = f"{SIDES[side]} {rest}".strip()
    if other not in numbers:
        raise RecipeError(
            f"flip: class {name!r} becomes {other!r} in a mirror, and there is no such class; keep both"
            " sides, or leave flip out"
        )
    return numbers[other]
