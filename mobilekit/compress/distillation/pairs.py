"""Which layer of the student learns from which of the teacher: by names, or by resolution."""

import fnmatch
from collections.abc import Mapping, Sequence

from mobilekit.core.errors import NoEffectError, RecipeError, suggestion

Shapes = Mapping[str, Sequence[int]]
"""Shape of each layer's output, `[N, C, H, W]` or other, in the order in which the layers finish."""


def pairs(
    student: Shapes, teacher: Shapes, patterns: Mapping[str, str] | None = None
) -> tuple[tuple[str, str], ...]:
    """Pair the layers of two networks.

    With patterns: the layers that a student's pattern matches and those that the teacher's pattern
    matches, one by one in the order of the run. Without: for each height and width that both networks
    have, of more than one pixel, the layer of each that finishes last at it, which is the end of a stage.

    Args:
        student: shape of each layer's output, as `capture.feature_shapes` returns them.
        teacher: the same of the teacher, for the same inputs.
        patterns: student's pattern of names to the teacher's, such as `{"layer*": "layer*"}`.

    Returns:
        Names of student's and teacher's layers, each pair once, in the order of the student's run.

    Raises:
        RecipeError: a pattern that matches nothing, or two that do not match as many layers.
        NoEffectError: without patterns, no resolution that both networks have.

    >>> small = {"stem": (1, 8, 32, 32), "a": (1, 8, 16, 16), "b": (1, 8, 16, 16), "head": (1, 10)}
    >>> large = {"stem": (1, 64, 32, 32), "block1": (1, 64, 16, 16), "block2": (1, 64, 8, 8)}
    >>> pairs(small, large)
    (('stem', 'stem'), ('b', 'block1'))
    >>> pairs(small, large, {"[ab]": "block*"})
    (('a', 'block1'), ('b', 'block2'))
    """
    if patterns is None:
        return _by_resolution(student, teacher)
    if not patterns:
        raise RecipeError("distillation: pairs of layers were asked for, but no pattern was given")
    found: dict[tuple[str, str], None] = {}
    for mine, other in patterns.items():
        one = _matching("student", mine, student)
        two = _matching("teacher", other, teacher)
        if len(one) != len(two):
            raise RecipeError(
                f"distillation: {mine!r} matches {len(one)} layers of the student ({_few(one)}), "
                f"{other!r} {len(two)} of the teacher ({_few(two)}); they must be as many"
            )
        found.update(dict.fromkeys(zip(one, two, strict=True)))
    places = {name: place for place, name in enumerate(student)}
    return tuple(sorted(found, key=lambda pair: places[pair[0]]))


def _by_resolution(student: Shapes, teacher: Shapes) -> tuple[tuple[str, str], ...]:
    mine, others = _last_at_each(student), _last_at_each(teacher)
    found = [(name, others[size]) for size, name in mine.items() if size in others]
    if not found:
        raise NoEffectError(
            f"distillation: student (heights and widths {_sizes(mine)}) and teacher ({_sizes(others)}) "
            "have no resolution in common; pair layers by name patterns"
        )
    places = {name: place for place, name in enumerate(student)}
    return tuple(sorted(found, key=lambda pair: places[pair[0]]))


def _last_at_each(shapes: Shapes) -> dict[tuple[int, int], str]:
    return {
        (shape[2], shape[3]): name
        for name, shape in shapes.items()
        if len(shape) == 4 and shape[2] * shape[3] > 1
    }


def _matching(who: str, pattern: str, shapes: Shapes) -> list[str]:
    found = fnmatch.filter(shapes, pattern)
    if not found:
        raise RecipeError(
            f"distillation: {pattern!r} matches no layer of the {who}.{suggestion(pattern, shapes)}"
        )
    return found


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _sizes(found: Mapping[tuple[int, int], str]) -> str:
    return ", ".join(f"{height}×{width}" for height, width in sorted(found)) or "none"
