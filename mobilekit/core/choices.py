"""Which values a field of a frozen value takes, and which keys a table has: found in the types themselves."""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from mobilekit.core.errors import suggestion

CHOICES = "choices"
"""Under this name `Meta(extra=...)` holds the words that a field of text knows."""
_WRONG = re.compile(r"Invalid (?:enum )?value '(?P<word>.*)'(?: - at `(?P<path>\$.*)`)?$")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<word>.*?)`(?: - at `(?P<path>\$.*)`)?$")
_STEP = re.compile(r"\.([^.\[]+)|\[[^\]]*\]")


def choices_of(kind: Any) -> tuple[str, ...]:
    """Return the words that a type knows: of a `Literal`, of an enumeration, of `Meta(extra=...)`.

    >>> from typing import Literal
    >>> choices_of(Literal["l1", "l2"] | None)
    ('l1', 'l2')
    """
    return tuple(dict.fromkeys(_words(_info(kind))))


def explained(problem: str, kind: Any) -> str:
    """Add to msgspec's words about a wrong value which ones there are, and the nearest.

    Args:
        problem: what `msgspec.convert` said.
        kind: the type that was asked for.
    """
    wrong, unknown = _WRONG.search(problem), _UNKNOWN.search(problem)
    if wrong is not None:
        path, key = wrong["path"] or "$", ""
        nodes = _at(_info(kind), path)
        known = [word for node in nodes for word in _words(node)]
        if not known:  # a tag says which of several tables is meant
            path, _, key = path.rpartition(".")
            known = [
                str(each.tag) for each in _structs(_at(_info(kind), path)) if each.tag_field == key
            ]
        return _with(problem, "there are", wrong["word"], known)
    if unknown is not None:
        structs = _structs(_at(_info(kind), unknown["path"] or "$"))
        known = [field.encode_name for each in structs for field in each.fields]
        return _with(problem, "the options are", unknown["word"], known)
    return problem


def _with(problem: str, what: str, word: str, known: Iterable[str]) -> str:
    known = list(dict.fromkeys(known))
    if not known:
        return problem
    return f"{problem}; {what} {', '.join(known)}.{suggestion(word, known)}"


def _info(kind: Any) -> Any:
    return kind if isinstance(kind, inspect.Type) else inspect.type_info(kind)


def _words(node: Any) -> list[str]:
    match node:
        case inspect.Metadata(type=inner, extra=extra):
            return [*(extra or {}).get(CHOICES, ()), *_words(inner)]
        case inspect.UnionType(types=members):
            return [word for member in members for word in _words(member)]
        case inspect.LiteralType(values=values):
            return [value for value in values if isinstance(value, str)]
        case inspect.EnumType(cls=made):
            return [str(each.value) for each in made]
        case _:
            return []


def _at(node: Any, path: str) -> list[Any]:
    """Return what may stand at a key path such as `$.steps[0].loss`."""
    nodes = [node]
    for step in _STEP.finditer(path.removeprefix("$")):
        nodes = [found for each in nodes for found in _below(each, step[1])]
    return nodes


def _below(node: Any, key: str | None) -> list[Any]:
    match node:
        case inspect.Metadata(type=inner):
            return _below(inner, key)
        case inspect.UnionType(types=members):
            return [found for member in members for found in _below(member, key)]
        case inspect.StructType(fields=fields):
            return [field.type for field in fields if field.encode_name == key]
        case inspect.DictType(value_type=inner) if key is None:
            return [inner]
        case inspect.ListType(item_type=inner) | inspect.VarTupleType(item_type=inner):
            return [inner]
        case inspect.TupleType(item_types=members):
            return list(members)
        case _:
            return []


def _structs(nodes: Iterable[Any]) -> list[inspect.StructType]:
    found: list[inspect.StructType] = []
    for node in nodes:
        match node:
            case inspect.Metadata(type=inner):
                found += _structs([inner])
            case inspect.UnionType(types=members):
                found += _structs(members)
            case inspect.StructType():
                found.append(node)
    return found
