"""Take channels out of a network: a smaller copy with every parameter cut, and the proof that it fits.

The copy is the same class with the same code. What that code fixes in numbers (a view, a slice, an
attribute) cannot be cut so; `misfit` finds the first call of the copy that does not do what the
network does without those channels.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.labels import pattern
from mobilekit.compress.graph.record import Call, record

IndexMap = Mapping[str, Mapping[int, Tensor]]
"""Per parameter and dimension that was cut: the old index of each new one."""


def index_map(
    graph: ChannelGraph, removed: Tensor, biases: Mapping[str, Axis] | None = None
) -> dict[str, dict[int, Tensor]]:
    """Return which indices of each parameter and buffer stay.

    Args:
        graph: of the network.
        removed: whether each channel goes, shape `[channels]`.
        biases: that the network has got since, each with the dimension of the weight it belongs to.
    """
    found: dict[str, dict[int, Tensor]] = {}
    for name in graph.parameters:
        for axis in graph.axes_of(name):
            stays = ~removed[graph.channels_of(axis)]
            if not bool(stays.all()):
                found.setdefault(name, {})[axis.dimension] = stays.nonzero().reshape(-1)
    for name, axis in (biases or {}).items():
        if axis.dimension in found.get(axis.parameter, {}):
            found[name] = {0: found[axis.parameter][axis.dimension]}
    return found


def cut(network: nn.Module, kept: IndexMap) -> nn.Module:
    """Return a copy of a network with only the kept indices; the network is left as found.

    Parameters keep `requires_grad`, names that shared a parameter share its successor, and modules
    know their new sizes.
    """
    memo: dict[int, Any] = {}
    owned = (
        *network.named_parameters(remove_duplicate=False),
        *network.named_buffers(remove_duplicate=False),
    )
    for name, tensor in owned:
        if name in kept and id(tensor) not in memo:
            smaller = _indexed(tensor, kept[name])
            if isinstance(tensor, nn.Parameter):
                smaller = nn.Parameter(smaller, requires_grad=tensor.requires_grad)
            memo[id(tensor)] = smaller
    result = clone(network, memo)
    old = dict(network.named_modules())
    for name, module in result.named_modules():
        _fit(module, old[name])
    return result


def misfit(
    graph: ChannelGraph, smaller: nn.Module, inputs: Sequence[Tensor], removed: Tensor
) -> int | None:
    """Return the number of the first call that a cut network gets wrong; None if there is none.

    Each call must be the same operator, give the shape that remains, and take the same numbers.
    """
    found = record(smaller, inputs, partial=True)
    others = (call for call in found.calls if call.name not in _COPIES)
    for number, call in enumerate(graph.record.calls):
        if call.name in _COPIES:
            continue
        other = next(others, None)
        if other is None or _ALIKE.get(call.name, call.name) != _ALIKE.get(other.name, other.name):
            return number
        if len(call.outputs) != len(other.outputs):
            return number
        for value, made in zip(call.outputs, other.outputs, strict=True):
            left = tuple(int(mask.sum()) for mask in graph.survivors(value, removed))
            if left != found.shape(made):
                return number
        if not _same_numbers(graph, call, other, removed):
            return number
    return None


_COPIES = {"clone", "contiguous"}
"""Whether a tensor has to be copied depends on its sizes; the values do not."""
_ALIKE = {
    "_unsafe_view": "view",
    "_reshape_alias": "view",
    "reshape": "view",
    "split_with_sizes": "split",
    "chunk": "split",
}


def clone(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Copy a module like `copy.deepcopy`, without the hundreds of empty hook dictionaries' detours."""
    if id(module) in memo:
        known: nn.Module = memo[id(module)]
        return known
    kind: Any = type(module)
    own = hasattr(kind, "__deepcopy__") or kind.__getstate__ is not _PLAIN_MODULE.__getstate__
    if own or kind.__setstate__ is not _PLAIN_MODULE.__setstate__:
        return copy.deepcopy(module, memo)
    result = module.__class__.__new__(module.__class__)
    memo[id(module)] = result
    for key, value in module.__dict__.items():
        copied: Any
        if key == "_compiled_call_impl":
            copied = None
        elif key == "_modules":
            copied = {
                name: None if child is None else clone(child, memo) for name, child in value.items()
            }
        elif isinstance(value, (dict, set)) and not value:
            copied = type(value)()
        elif isinstance(value, _PLAIN):
            copied = value
        else:
            copied = copy.deepcopy(value, memo)
        result.__dict__[key] = copied
    return result


_PLAIN_MODULE: Any = nn.Module
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def _indexed(tensor: Tensor, kept: Mapping[int, Tensor]) -> Tensor:
    result = tensor.detach()
    for dimension, indices in kept.items():
        result = result.index_select(dimension, indices.to(tensor.device))
    return result


def _fit(module: nn.Module, old: nn.Module) -> None:
    """Let a module's own numbers follow its cut parameters."""
    if isinstance(module, nn.modules.conv._ConvNd):  # noqa: SLF001
        _fit_convolution(module, old)
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, (nn.modules.batchnorm._NormBase, nn.GroupNorm)):  # noqa: SLF001
        _fit_norm(module)
    elif isinstance(module, nn.LayerNorm) and module.elementwise_affine:
        module.normalized_shape = tuple(module.weight.shape)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()


def _fit_norm(module: Any) -> None:
    vector = module.weight if module.affine else getattr(module, "running_mean", None)
    if vector is None:
        return
    if isinstance(module, nn.GroupNorm):
        if module.num_groups == module.num_channels:
            module.num_groups = len(vector)
        module.num_channels = len(vector)
    else:
        module.num_features = len(vector)


def _fit_convolution(module: Any, old: Any) -> None:
    first, second = module.weight.shape[:2]
    depthwise = old.groups > 1 and old.groups == old.in_channels
    if module.transposed:
        module.groups = first if depthwise else module.groups
        module.in_channels, module.out_channels = first, second * module.groups
    else:
        multiplier = old.out_channels // old.in_channels
        module.groups = first // multiplier if depthwise else module.groups
        module.in_channels, module.out_channels = second * module.groups, first


def _same_numbers(graph: ChannelGraph, call: Call, other: Call, removed: Tensor) -> bool:
    """Whether a call of the cut network takes the numbers that it should."""
    for parameter in call.operator._schema.arguments:  # noqa: SLF001
        name = parameter.name
        try:
            before, after = call.argument(name), other.argument(name)
        except KeyError:
            continue
        kind = str(parameter.type)
        if kind in {"float", "number", "Optional[float]"}:
            same = _equal(before, after)
        else:
            same = name not in _PLACES or _place(graph, call, other, name, removed)
        if not same:
            return False
    return True


_PLACES = {"start", "end", "index", "pad"}


def _equal(before: Any, after: Any) -> bool:
    if isinstance(before, float) and isinstance(after, float):
        return before == after or (math.isnan(before) and math.isnan(after))
    return bool(before == after)


def _place(graph: ChannelGraph, call: Call, other: Call, name: str, removed: Tensor) -> bool:
    """Whether a slice, a choice or a padding is where the channels have moved to."""
    source = call.inputs[0]
    shape = graph.record.shape(source)
    if call.name == "constant_pad_nd":
        return _padding(graph, call, other, removed)
    if call.name not in {"slice", "select"}:
        return True
    dimension = call.argument("dim") % len(shape)
    varies = any(dimension in pattern(part) for part in graph.components(source))
    if not varies:
        return True
    size = shape[dimension]
    stays = graph.survivors(source, removed)[dimension]
    before = _clamped(call.argument(name), size, name)
    after = _clamped(other.argument(name), int(stays.sum()), name)
    return int(stays[:before].sum()) == after


def _padding(graph: ChannelGraph, call: Call, other: Call, removed: Tensor) -> bool:
    source, out = call.inputs[0], call.outputs[0]
    before, after = call.argument("pad"), other.argument("pad")
    masks, left = graph.survivors(out, removed), graph.record.shape(source)
    for index in range(0, len(before), 2):
        dimension = len(left) - 1 - index // 2
        low, high = before[index], before[index + 1]
        mask = masks[dimension]
        first = int(mask[:low].sum()) if low > 0 else low
        last = int(mask[len(mask) - high :].sum()) if high > 0 else high
        if [first, last] != list(after[index : index + 2]):
            return False
    return True


def _clamped(place: int | None, size: int, name: str) -> int:
    if place is None:
        return 0 if name == "start" else size
    return max(0, min(size, place + size if place < 0 else place))
