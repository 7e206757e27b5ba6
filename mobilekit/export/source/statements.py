"""One operator as a line of Python that a person would have written, or as the operator itself."""

import builtins
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

Extents = list[tuple[int, int]]
"""Size of each dimension of a tensor, here and in the twin."""
Way = Callable[[Extents, int, int], str | None]
"""How a number may follow from a tensor's sizes: the expression, with `{}` for the tensor."""
Place = tuple[int | str, ...]
"""Where a value stands in the arguments of a call."""
Names = Mapping[Node, str]
"""What each value is called at this place."""

TWIN, INPUTS, NEEDS = "mobilekit.twin", "mobilekit.inputs", "mobilekit.needs"
"""Where a node keeps the same call for inputs of another size, the network's inputs, and what it takes."""
SKIPPED = {
    "sym_constrain_range_for_size",
    "sym_constrain_range",
    "_assert_scalar",
    "_assert_async",
    "_assert_tensor_metadata",
}
"""Operators that only check."""
_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@"}
_FUNCTIONAL = {
    "adaptive_avg_pool2d", "adaptive_avg_pool1d", "avg_pool2d", "max_pool2d", "relu6", "silu", "silu_",
    "gelu", "hardswish", "hardswish_", "hardsigmoid", "hardsigmoid_", "hardtanh", "hardtanh_", "elu",
    "elu_", "leaky_relu", "leaky_relu_", "mish", "softplus", "linear", "conv1d", "conv2d", "conv3d",
    "pixel_shuffle", "pixel_unshuffle", "avg_pool3d", "glu", "log_sigmoid", "softshrink",
}  # fmt: skip
"""Functions of `torch.nn.functional` that take the operator's arguments in its order."""


def is_silent(node: Node) -> bool:
    """Whether a call leaves no line: it only checks."""
    return _name(node) in SKIPPED


def expression(node: Node, names: Names) -> str:
    """Return the expression of a call.

    Args:
        node: a call in a program's graph.
        names: of all values that it takes.
    """
    if node.target is operator.getitem:
        return f"{_text(node.args[0], names)}[{node.args[1]}]"
    if not isinstance(node.target, torch._ops.OpOverload):  # noqa: SLF001
        name = getattr(node.target, "__name__", str(node.target))
        home = "" if hasattr(builtins, name) else "torch."
        return f"{home}{name}({_arguments(node, names)})"
    writer = _WRITERS.get(_name(node))
    text = writer(node, names) if writer else None
    return text or _plain(node, names)


def _name(node: Node) -> str:
    target: Any = node.target
    return (
        str(target.overloadpacket).rpartition(".")[2] if hasattr(target, "overloadpacket") else ""
    )


def _plain(node: Node, names: Names) -> str:
    """Write an operator as function, as method, or by its full name."""
    name, first = _name(node), node.args[0] if node.args else None
    target: Any = node.target
    if name in _INFIX and len(node.args) == 2 and not node.kwargs:
        left, right = (_text(value, names) for value in node.args)
        return f"{left} {_INFIX[name]} {right}"
    if target.namespace != "aten":
        return (
            f"torch.ops.{target.namespace}.{name}.{target._overloadname}({_arguments(node, names)})"  # noqa: SLF001
        )
    if name in _FUNCTIONAL:
        return f"F.{name}({_arguments(node, names)})"
    if (
        isinstance(first, Node)
        and isinstance(first.meta.get("val"), Tensor)
        and hasattr(Tensor, name)
    ):
        rest = _arguments(node, names, skip=1)
        return f"{_text(first, names)}.{name}({rest})"
    if hasattr(torch, name):
        return f"torch.{name}({_arguments(node, names)})"
    return f"torch.ops.aten.{name}.{target._overloadname}({_arguments(node, names)})"  # noqa: SLF001


def _arguments(node: Node, names: Names, skip: int = 0) -> str:
    positional = [_text(value, names, node, (n,)) for n, value in enumerate(node.args)][skip:]
    named = [f"{key}={_text(value, names, node, (key,))}" for key, value in node.kwargs.items()]
    return ", ".join([*positional, *named])


def _text(value: Any, names: Names, node: Node | None = None, place: Place = ()) -> str:
    """Write a value; a size that follows the size of a tensor is taken from that tensor."""
    if isinstance(value, Node):
        return names[value]
    if isinstance(value, (list, tuple)):
        inner = ", ".join(_text(one, names, node, (*place, n)) for n, one in enumerate(value))
        return f"[{inner}]"
    if isinstance(value, int) and node is not None:
        found = _source(node, value, place)
        if found is not None:
            return found[1].format(names[found[0]])
    if isinstance(value, float) and value in {float("inf"), float("-inf")}:
        return f'float("{value}")'
    return f'torch.device("{value}")' if isinstance(value, torch.device) else repr(value)


def _source(node: Node, value: int, place: Place) -> tuple[Node, str] | None:
    """Find the tensor that a number follows when the network's inputs change, and how.

    Its operands and the network's inputs are asked first, then what was made before, the last first.
    """
    twin = node.meta.get(TWIN)
    other = _at(twin, place) if twin is not None else value
    if not isinstance(other, int) or other == value:
        return None
    near, inputs = node.all_input_nodes, node.meta[INPUTS]
    derived = (_multiple, _quotient, _product)
    return (
        _first(near, (_same_size,), value, other)
        or _first(inputs, (_same_size,), value, other)
        or _first(near, derived, value, other)
        or _first(_before(node), (_same_size,), value, other)
        or _first(inputs, derived, value, other)
    )


def _first(
    tensors: Iterable[Node], ways: Sequence[Way], value: int, other: int
) -> tuple[Node, str] | None:
    for tensor in tensors:
        for way in ways:
            text = way(_extents(tensor), value, other)
            if text is not None:
                return tensor, text
    return None


def _before(node: Node) -> Iterator[Node]:
    earlier = node.prev
    while earlier.op != "root":
        yield earlier
        earlier = earlier.prev


def _extents(node: Node) -> Extents:
    one, twin = node.meta.get("val"), node.meta.get(TWIN)
    two = None if twin is None else twin.meta.get("val")
    if not isinstance(one, Tensor) or not isinstance(two, Tensor):
        return []
    return list(zip(one.shape, two.shape, strict=False))


def _same_size(extents: Extents, value: int, other: int) -> str | None:
    return f"{{}}.shape[{extents.index((value, other))}]" if (value, other) in extents else None


def _multiple(extents: Extents, value: int, other: int) -> str | None:
    for dimension, (one, two) in enumerate(extents):
        if one != two and not value % one and not other % two and value // one == other // two:
            return f"{value // one} * {{}}.shape[{dimension}]"
    return None


def _quotient(extents: Extents, value: int, other: int) -> str | None:
    for dimension, (one, two) in enumerate(extents):
        if one != two and value and not one % value and one // value * other == two:
            return f"{{}}.shape[{dimension}] // {one // value}"
    return None


def _product(extents: Extents, value: int, other: int) -> str | None:
    for first in range(len(extents)):
        for second in range(first + 1, len(extents)):
            pairs = zip(extents[first], extents[second], strict=True)
            if tuple(one * two for one, two in pairs) == (value, other):
                return f"{{0}}.shape[{first}] * {{0}}.shape[{second}]"
    return None


def _at(node: Node, place: Place) -> Any:
    first, *rest = place
    found: Any = node.kwargs.get(first) if isinstance(first, str) else node.args[first]
    for step in rest:
        found = found[step]
    return found


def _numbers(value: Any, place: Place) -> Iterator[tuple[int, Place]]:
    if isinstance(value, (list, tuple)):
        for n, one in enumerate(value):
            yield from _numbers(one, (*place, n))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value, place


def _all_numbers(node: Node) -> Iterator[tuple[int, Place]]:
    for n, value in enumerate(node.args):
        yield from _numbers(value, (n,))
    for key, value in node.kwargs.items():
        yield from _numbers(value, (key,))


def needs(node: Node) -> list[Node]:
    """Return the values that a call takes by name, tensors whose sizes it reads among them."""
    if NEEDS in node.meta:
        known: list[Node] = node.meta[NEEDS]
        return known
    found = dict.fromkeys(node.all_input_nodes)
    for value, place in _all_numbers(node):
        source = _source(node, value, place)
        if source is not None:
            found[source[0]] = None
    node.meta[NEEDS] = list(found)
    return list(found)


def pair(node: Node, twin: Node, inputs: Sequence[Node]) -> bool:
    """Note the same call for inputs of another size; say whether its numbers follow those sizes."""
    node.meta[TWIN], node.meta[INPUTS] = twin, inputs
    if node.op != "call_function":
        return True
    return all(
        _at(twin, place) == value or _source(node, value, place) is not None
        for value, place in _all_numbers(node)
    )


def part(node: Node) -> None:
    """Forget what `pair` has noted."""
    node.meta.pop(TWIN, None)


def _index(node: Node, names: Names, inside: str) -> str:
    source, dimension = node.args[0], node.args[1] if len(node.args) > 1 else 0
    assert isinstance(source, Node)  # noqa: S101  the operator's first argument
    assert isinstance(dimension, int)  # noqa: S101
    places = ":, " * (dimension % source.meta["val"].ndim)
    return f"{names[source]}[{places}{inside}]"


def _slice(node: Node, names: Names) -> str:
    given = [*node.args[2:], None, None, None][:3]
    first, last, step = given[0], given[1], given[2]
    bounds = ["" if first in {0, None} else _text(first, names, node, (2,))]
    whole = last is None or last == 2**63 - 1
    bounds.append("" if whole else _text(last, names, node, (3,)))
    if step not in {1, None}:
        bounds.append(_text(step, names))
    return _index(node, names, ":".join(bounds))


def _select(node: Node, names: Names) -> str:
    return _index(node, names, _text(node.args[2], names))


def _cloned(node: Node, names: Names) -> str:
    return f"{_text(node.args[0], names)}.clone()"


def _joined(function: str) -> Callable[[Node, Names], str]:
    def write(node: Node, names: Names) -> str:
        return f"torch.{function}({_arguments(node, names)})"

    return write


def _indexed(node: Node, names: Names) -> str | None:
    """Write `x[index]`; where a dimension is left out, the operator is clearer."""
    places = node.args[1]
    assert isinstance(places, (list, tuple))  # noqa: S101  the operator's second argument
    if any(place is None for place in places):
        return f"torch.ops.aten.index.Tensor({_arguments(node, names)})"
    inside = ", ".join(_text(place, names) for place in places)
    return f"{_text(node.args[0], names)}[{inside}]"


def _padded(node: Node, names: Names) -> str:
    return f"F.pad({_arguments(node, names)})"


def _constant_padded(node: Node, names: Names) -> str:
    value = f", value={node.args[2]!r}" if len(node.args) > 2 and node.args[2] else ""
    return f"F.pad({_text(node.args[0], names)}, {_text(node.args[1], names, node, (1,))}{value})"


def _interpolated(mode: str) -> Callable[[Node, Names], str | None]:
    """Write an interpolation to a size or by a scale."""

    def write(node: Node, names: Names) -> str | None:
        size, *rest = node.args[1:]
        given = [*rest, None, None]
        corners, scales = (None, given[0]) if mode == "nearest" else given[:2]
        aligned = f", align_corners={corners}" if mode != "nearest" else ""
        source = _text(node.args[0], names)
        if size is not None and scales is None:
            sizes = _text(size, names, node, (1,))
            return f'F.interpolate({source}, size={sizes}, mode="{mode}"{aligned})'
        if size is None and scales is not None:
            return f'F.interpolate({source}, scale_factor={scales}, mode="{mode}"{aligned})'
        return None

    return write


_WRITERS: dict[str, Callable[[Node, Names], str | None]] = {
    "upsample_bilinear2d": _interpolated("bilinear"),
    "upsample_bicubic2d": _interpolated("bicubic"),
    "upsample_nearest2d": _interpolated("nearest"),
    "slice": _slice,
    "lift_fresh_copy": _cloned,
    "index": _indexed,
    "select": _select,
    "pad": _padded,
    "constant_pad_nd": _constant_padded,
    **{name: _joined(name) for name in ("cat", "stack", "einsum", "relu", "sigmoid", "tanh")},
}
