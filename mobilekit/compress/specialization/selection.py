"""Which classes stay, in which order: the old number of each new class."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mobilekit.core.errors import NoEffectError, RecipeError, suggestion

BACKGROUND = ("background", "__background__")
"""Names that say of class 0 that it is what no other class is."""


@dataclass(frozen=True)
class Selection:
    """The classes that stay: the background first, if there is one, then the others in their old order."""

    classes: tuple[str, ...]
    """Names, by new number."""
    index: tuple[int, ...]
    """Old number of each new class."""


def select(
    classes: Sequence[str], keep: Sequence[str], background: str | int | None = None
) -> Selection:
    """Choose classes by name.

    Args:
        classes: names of all classes, by number.
        keep: names of those that stay, in any order; the background stays without being named.
        background: name or number of the class that is what no other is; None for class 0 if it is called
            `background` or `__background__`, and else for none.

    Raises:
        RecipeError: an unknown, ambiguous or repeated name, or nothing but the background kept.
        NoEffectError: every class is kept.

    >>> select(["background", "cat", "cow", "dog"], ["dog", "cat"])
    Selection(classes=('background', 'cat', 'dog'), index=(0, 1, 3))
    """
    for given, what in ((classes, "classes"), (keep, "keep")):
        if isinstance(given, str):
            raise RecipeError(f"specialize: {what} is a list of names, not the text {given!r}")
    first = _background(classes, background)
    wanted = {_number(name, classes, "keep") for name in keep}
    repeated = [name for name, count in Counter(keep).items() if count > 1]
    if repeated:
        raise RecipeError(f"specialize: keep names {repeated[0]!r} more than once")
    others = sorted(wanted - {first})
    if not others:
        raise RecipeError(
            "specialize: keep names no class besides the background; name at least one"
        )
    index = (*(() if first is None else (first,)), *others)
    if len(index) == len(classes):
        raise NoEffectError(
            f"specialize: all {len(classes)} classes are kept; name fewer, or leave this step out"
        )
    return Selection(tuple(classes[number] for number in index), index)


def _background(classes: Sequence[str], background: str | int | None) -> int | None:
    if background is None:
        return 0 if classes and classes[0] in BACKGROUND else None
    if isinstance(background, str):
        return _number(background, classes, "background")
    if not 0 <= background < len(classes):
        raise RecipeError(
            f"specialize: background is class {background}, but there are {len(classes)} classes"
        )
    return background


def _number(name: str, classes: Sequence[str], option: str) -> int:
    places = [number for number, one in enumerate(classes) if one == name]
    if not places:
        raise RecipeError(
            f"specialize: {option} names {name!r}, which is none of the network's {len(classes)}"
            f" classes.{suggestion(name, classes)}"
        )
    if len(places) > 1:
        raise RecipeError(
            f"specialize: {option} names {name!r}, but classes {places[0]} and {places[1]} are both"
            " called so; give them names of their own"
        )
    return places[0]
