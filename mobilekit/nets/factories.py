"""How a network is made by a function: of the user's own file, or of a library."""

import ast
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from mobilekit.core.errors import ModelError, suggestion


def call_factory(path: Path, factory: str, arguments: dict[str, str]) -> nn.Module:
    """Import `path`, call its `factory` with `arguments`, and return the network.

    The file's folder is importable meanwhile, as it is for `python file.py`.

    Raises:
        ModelError: the file is missing or fails, has no such function, the function raises, or it
            returns something else than a `torch.nn.Module`.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    folder = str(path.parent.resolve())
    sys.path.insert(0, folder)
    try:
        namespace = _imported(path)
        make = getattr(namespace, factory, None)
        if not callable(make):
            known = [name for name, value in vars(namespace).items() if callable(value)]
            raise ModelError(f"{path}: has no function {factory!r}.{suggestion(factory, known)}")
        module = _called(path, factory, make, arguments)
    finally:
        sys.path.remove(folder)
    if isinstance(module, nn.Module):
        return module
    raise ModelError(f"{path}:{factory}: returned a {type(module).__name__}, not a torch.nn.Module")


def made(reference: str, make: Callable[[], Any]) -> nn.Module:
    """Call a library's builder.

    Raises:
        ModelError: it raises, or gives something else than a `torch.nn.Module`.
    """
    try:
        module = make()
    except Exception as problem:
        raise ModelError(f"{reference}: cannot be built: {reason_of(problem)}") from problem
    if not isinstance(module, nn.Module):
        raise ModelError(f"{reference}: gave a {type(module).__name__}, not a torch.nn.Module")
    return module


def literal(text: str) -> Any:
    """Read an argument's text as a Python literal, or keep it as text.

    >>> literal("10"), literal("true"), literal("relu"), literal("(1, 2)")
    (10, True, 'relu', (1, 2))
    """
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def reason_of(problem: BaseException) -> str:
    """Return an exception in one line: its kind, its first words, and the user's line it came from."""
    words = " ".join(str(problem).split())[:240]
    place = ""
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        if not any(part in frame.filename for part in ("/torch/", "/mobilekit/", "<frozen")):
            place = f" ({Path(frame.filename).name}:{frame.lineno})"
            break
    return f"{type(problem).__name__}: {words}{place}"


def _imported(path: Path) -> Any:
    name = f"mobilekit_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path}: cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as problem:
        raise ModelError(f"{path}: fails when imported: {reason_of(problem)}") from problem
    return module


def _called(path: Path, factory: str, make: Any, arguments: dict[str, str]) -> Any:
    try:
        return make(**{key: literal(value) for key, value in arguments.items()})
    except (Exception, SystemExit) as problem:
        raise ModelError(f"{path}:{factory}: raised {reason_of(problem)}") from problem
