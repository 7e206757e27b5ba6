"""Which compression methods exist: the files of `steps/` and `during/`; nothing registers anything."""

import ast
import importlib
import itertools
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

import msgspec

import mobilekit.compress.during
import mobilekit.compress.steps
from mobilekit.core.choices import choices_of
from mobilekit.core.config import from_mapping
from mobilekit.core.errors import RecipeError, suggestion

if TYPE_CHECKING:
    from mobilekit.compress.base import During, Step

Place = Literal["steps", "during"]


class Method(msgspec.Struct, frozen=True):
    """One compression method: its `kind`, where it may stand in a recipe, its first line."""

    kind: str
    place: Place
    summary: str


class Option(msgspec.Struct, frozen=True):
    """One option of a method."""

    name: str
    default: str
    """As JSON; `required` where there is none."""
    text: str


class Description(msgspec.Struct, frozen=True):
    """A method's card: its text and its options."""

    kind: str
    place: Place
    text: str
    options: tuple[Option, ...]


def describe(kind: str) -> Description:
    """Return what a method's module says of it, and its options.

    Raises:
        RecipeError: there is no such method.
    """
    made = options_of(kind)
    module = importlib.import_module(made.__module__)
    words = _words(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")), made.__name__)
    hints = get_type_hints(made, include_extras=True)
    options = tuple(
        Option(
            field.encode_name, _default(field), _text(words.get(field.name, ""), hints[field.name])
        )
        for field in msgspec.structs.fields(made)
    )
    place: Place = "during" if ".during." in made.__module__ else "steps"
    return Description(kind, place, (module.__doc__ or "").strip(), options)


def _text(words: str, kind: Any) -> str:
    """Return what is said of an option, and which words it takes where its type knows them."""
    known = choices_of(kind)
    return f"{words} One of {', '.join(known)}.".strip() if known else words


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        return msgspec.json.encode(field.default).decode()
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.json.encode(field.default_factory()).decode()
    return "required"


def _words(tree: ast.Module, name: str) -> dict[str, str]:
    """Return the texts below the fields of a class."""
    [found] = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
    words = {}
    for field, text in itertools.pairwise(found.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(
                value=ast.Constant(value=str() as said)
            ):
                words[key] = " ".join(said.split())
    return words


def methods() -> tuple[Method, ...]:
    """List every method, in the order of its name; nothing is imported for it."""
    found = []
    for place, package in (
        ("steps", mobilekit.compress.steps),
        ("during", mobilekit.compress.during),
    ):
        for module in pkgutil.iter_modules(package.__path__):
            source = Path(module.module_finder.path, f"{module.name}.py")  # type: ignore[union-attr]
            words = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
            found.append(Method(module.name, place, words.partition("\n")[0]))  # type: ignore[arg-type]
    return tuple(sorted(found, key=lambda method: (method.place, method.kind)))


def step_of(options: dict[str, Any], where: str) -> "Step":
    """Build a step from its options, `kind` among them.

    Raises:
        RecipeError: no such step, an unknown option, or a value that does not fit; the key path is named.
    """
    made: Step = _made("steps", options, where)
    return made


def during_of(options: dict[str, Any], where: str) -> "During":
    """Build a method that acts during training from its options, `kind` among them.

    Raises:
        RecipeError: no such method, an unknown option, or a value that does not fit; the key path is named.
    """
    made: During = _made("during", options, where)
    return made


def options_of(kind: str) -> type[msgspec.Struct]:
    """Return the class of a method's options.

    Raises:
        RecipeError: there is no such method.
    """
    found = [method for method in methods() if method.kind == kind]
    if not found:
        known = [method.kind for method in methods()]
        raise RecipeError(
            f"unknown method {kind!r}; there are {', '.join(known)}.{suggestion(kind, known)}"
        )
    module = importlib.import_module(f"mobilekit.compress.{found[0].place}.{kind}")
    made: type[msgspec.Struct] = getattr(module, "".join(map(str.capitalize, kind.split("_"))))
    return made


def _made(place: Place, options: dict[str, Any], where: str) -> Any:
    kind = str(options.get("kind", ""))
    known = [method.kind for method in methods() if method.place == place]
    if kind not in known:
        what = "step" if place == "steps" else "method"
        raise RecipeError(
            f"{where}: unknown {what} {kind!r}; known: {', '.join(known)}.{suggestion(kind, known)}"
        )
    rest = {key: value for key, value in options.items() if key != "kind"}
    try:
        return from_mapping(rest, options_of(kind), where)
    except RecipeError as problem:  # one of the options' own checks does not know where it stands
        if str(problem).startswith(where):
            raise
        raise RecipeError(f"{where}: {problem}") from problem
