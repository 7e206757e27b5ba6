"""Where two networks of the same make differ: shapes, layers, and what modules know of themselves."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn

from mobilekit.compress.graph.attention import OpenAttention
from mobilekit.compress.structuring.format import Layer, Option
from mobilekit.compress.structuring.layers import INSTEAD, is_plain, same_class, written
from mobilekit.core.errors import ModelError

Shape = tuple[int, ...]


@dataclass
class Differences:
    """What is otherwise in the second network; by path or name, in the order of its modules."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    added: dict[str, Shape] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    attributes: dict[str, dict[str, Option]] = field(default_factory=dict)

    @property
    def first(self) -> str | None:
        """Name one of them; None where there are none."""
        return next(iter((*self.layers, *self.added, *self.shapes, *self.attributes)), None)


def differences(old: nn.Module, new: nn.Module) -> Differences:
    """Compare two networks module by module; values of weights do not matter, nor does the mode.

    Raises:
        ModelError: a difference that cannot be described, the first one.
    """
    found = Differences()
    _walk("", old, new, found, set())
    return found


def named_tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield all parameters and buffers, under every name that they have."""
    yield from network.named_parameters(remove_duplicate=False)
    yield from network.named_buffers(remove_duplicate=False)


def _walk(
    path: str, old: nn.Module, new: nn.Module, found: Differences, seen: set[tuple[int, int]]
) -> None:
    if (id(old), id(new)) in seen:
        return
    seen.add((id(old), id(new)))
    if not _alike(old, new):
        layer = written(path, new, old)
        found.layers[path] = layer
        if layer.kind == "OpenAttention":
            assert isinstance(old, nn.MultiheadAttention)  # noqa: S101  by `written`
            _walk(path, OpenAttention(old), new, found, seen)
        names = [name for name, part in layer.parts.items() if part.kind == "kept"]
    else:
        _tensors(path, old, new, found)
        _numbers(path, old, new, found)
        names = _children(path, old, new)
    for name in names:
        below = f"{path}.{name}".lstrip(".")
        _walk(below, old.get_submodule(name), new.get_submodule(name), found, seen)


def _children(path: str, old: nn.Module, new: nn.Module) -> list[str]:
    """Return the names of the modules inside, which must be the same."""
    if path and isinstance(old, fx.GraphModule) and _code(old) != _code(new):
        raise ModelError(f"{path}: a traced part was rewritten; {INSTEAD}")
    first, second = dict(old.named_children()), dict(new.named_children())
    if first.keys() != second.keys():
        below = f"{path}.{min(first.keys() ^ second.keys())}".lstrip(".")
        raise ModelError(f"{below}: a module that only one of the networks has; {INSTEAD}")
    return list(first)


def _alike(old: nn.Module, new: nn.Module) -> bool:
    if isinstance(old, fx.GraphModule) and isinstance(new, fx.GraphModule):
        return True
    return same_class(old, new)


def _code(module: Any) -> str:
    return str(module.code)


def _tensors(path: str, old: nn.Module, new: nn.Module, found: Differences) -> None:
    """Compare a module's own parameters and buffers."""
    for kind in ("_parameters", "_buffers"):
        first, second = vars(old)[kind], vars(new)[kind]
        for key in dict.fromkeys((*first, *second)):
            one, two = first.get(key), second.get(key)
            name = f"{path}.{key}".lstrip(".")
            if two is None and one is None:
                continue
            if two is None:
                raise ModelError(f"{name}: only the original has it; {INSTEAD}")
            if one is not None:
                if one.shape != two.shape:
                    found.shapes[name] = tuple(two.shape)
            elif kind == "_parameters" and getattr(old, key, None) is None:
                found.added[name] = tuple(two.shape)
            else:
                raise ModelError(f"{name}: a {kind[1:-1]} that the original has not; {INSTEAD}")


def _numbers(path: str, old: nn.Module, new: nn.Module, found: Differences) -> None:
    """Compare what a module knows of itself: plain numbers, texts, and tuples of these."""
    for key, one in vars(old).items():
        if key not in vars(new) or key in vars(new)["_parameters"] or key == "training":
            continue
        if isinstance(old, fx.GraphModule) and key.startswith("_"):
            continue
        two = vars(new)[key]
        if is_plain(one) and is_plain(two) and repr(one) != repr(two):
            found.attributes.setdefault(path, {})[key] = (
                tuple(two) if isinstance(two, (tuple, list)) else two
            )
