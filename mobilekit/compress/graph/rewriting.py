"""Numbers that stand in a network's code: rewritten where channels have gone.

`x.view(-1, 1024)`, `x[:, :24]`, `F.pad(x, (0, 0, 0, 0, 8, 8))` hold widths that no parameter knows. Where
torch.fx can trace the network, its graph is edited instead of its code: the result is a GraphModule with
the same modules, parameters and names.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from mobilekit.compress.graph.attention import OpenAttention, can_open
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.record import Call
from mobilekit.compress.graph.surgery import clone


def editable(network: nn.Module) -> fx.GraphModule | None:
    """Trace a network into a graph that can be edited; None where torch.fx cannot.

    The graph is that of evaluation mode. Modules and parameters are the network's own, not copies.
    """
    if isinstance(network, fx.GraphModule):
        return network
    for source in (opened(network), network):
        modes = {module: module.training for module in source.modules()}
        own = set(vars(source))
        tracer = fx.Tracer()
        tracer.record_stack_traces = True
        graph: fx.Graph | None = None
        try:
            source.eval()
            graph = tracer.trace(source)
        except Exception:  # noqa: BLE001, S110  whatever stops torch.fx: the code stays as it is
            pass
        finally:
            for module, training in modes.items():
                module.training = training
        traced = None if graph is None else fx.GraphModule(source, graph, type(network).__name__)
        for name in vars(source).keys() - own:  # constants that torch.fx has left there
            delattr(source, name)
        if traced is not None:
            return traced
    return None


def opened(network: nn.Module) -> nn.Module:
    """Return a network that shares all parameters, with its multi-head attentions in plain layers."""
    if not any(can_open(module) for module in network.modules()):
        return network
    memo: dict[int, Any] = {id(t): t for t in (*network.parameters(), *network.buffers())}
    result = clone(network, memo)
    for module in list(result.modules()):
        for name, child in module.named_children():
            if can_open(child):
                assert isinstance(child, nn.MultiheadAttention)  # noqa: S101  by can_open
                setattr(module, name, OpenAttention(child))
    return result


def repair(graph: ChannelGraph, smaller: nn.Module, number: int, removed: Tensor) -> bool:
    """Edit the node of a cut network that makes a call, so that the call fits; False if it cannot be.

    Args:
        graph: of the network before the cut, an `fx.GraphModule` as well.
        smaller: the cut network; edited in place.
        number: of the call.
        removed: whether each channel went, shape `[channels]`.
    """
    call = graph.record.calls[number]
    if not isinstance(smaller, fx.GraphModule):
        return False
    node = next((node for node in smaller.graph.nodes if node.name == call.node), None)
    if node is None or node.op not in {"call_method", "call_function"}:
        return False
    before = (node.target, node.args, node.kwargs)
    mend = _MENDERS.get(call.name)
    if mend is not None:
        mend(node, call, graph, removed)
    smaller.recompile()
    return (node.target, node.args, node.kwargs) != before


def _left(graph: ChannelGraph, call: Call, removed: Tensor) -> list[int]:
    """Return the shape that remains of a call's first output."""
    return [int(mask.sum()) for mask in graph.survivors(call.outputs[0], removed)]


def _view(node: fx.Node, call: Call, graph: ChannelGraph, removed: Tensor) -> None:
    _resize(node, _left(graph, call, removed))


def _normalize(node: fx.Node, call: Call, graph: ChannelGraph, removed: Tensor) -> None:
    over = len(call.argument("normalized_shape"))
    _replace(node, 1, "normalized_shape", tuple(_left(graph, call, removed)[-over:]))


def _convolve(node: fx.Node, call: Call, graph: ChannelGraph, removed: Tensor) -> None:
    channels = graph.survivors(call.argument("input"), removed)[1]
    if call.argument("groups") == len(channels) > 1:
        _replace(node, 6, "groups", int(channels.sum()))


def _resize(node: fx.Node, shape: Sequence[int]) -> None:
    """Replace the literal sizes of a view; sizes that are computed stay."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    given: tuple[Any, ...] = node.args
    first = 1
    if name == "unflatten":
        rank = len(shape) - len(given[2]) + 1
        shape, first = shape[given[1] % rank :], 2
    if len(given) > first and isinstance(given[first], (list, tuple)):
        sizes: Sequence[Any] = given[first]
        node.update_arg(
            first, tuple(_size(old, new) for old, new in zip(sizes, shape, strict=False))
        )
        return
    for place, new in enumerate(shape, first):
        if place < len(given):
            node.update_arg(place, _size(given[place], new))


def _replace(node: fx.Node, place: int, name: str, value: Any) -> None:
    """Replace a literal argument of a function, wherever it is given."""
    if name in node.kwargs:
        node.update_kwarg(name, value)
    elif len(node.args) > place:
        node.update_arg(place, value)


def _size(old: Any, new: int) -> Any:
    return new if isinstance(old, int) and old != -1 else old


def _cut_anew(node: fx.Node, call: Call, graph: ChannelGraph, removed: Tensor) -> None:
    """Give the pieces of a split their new sizes, one by one."""
    dimension = call.argument("dim")
    masks = [graph.survivors(value, removed) for value in call.outputs]
    sizes = [int(mask[dimension % len(mask)].sum()) for mask in masks]
    node.target = "split" if node.op == "call_method" else torch.split
    node.args = (node.args[0], sizes, dimension)
    node.kwargs = {}


def _move_slice(node: fx.Node, call: Call, graph: ChannelGraph, removed: Tensor) -> None:
    """Move the bounds of `x[:, a:b]` to where the channels are now."""
    given: Any = node.args[1] if len(node.args) > 1 else None
    if node.target is not operator.getitem or not isinstance(given, (tuple, slice)):
        return
    index: tuple[Any, ...] = given if isinstance(given, tuple) else (given,)
    dimension = call.argument("dim")
    stays = graph.survivors(call.inputs[0], removed)[dimension]
    place = _place(index, dimension, len(graph.record.shape(call.inputs[0])))
    if place is None or not isinstance(index[place], slice):
        return
    old = index[place]
    if old.step not in {None, 1}:
        return
    bounds = [None if bound is None else _bound(bound, stays) for bound in (old.start, old.stop)]
    changed = (*index[:place], slice(*bounds), *index[place + 1 :])
    node.update_arg(1, changed)


def _bound(bound: Any, stays: Tensor) -> Any:
    if not isinstance(bound, int):
        return bound
    whole = max(0, min(len(stays), bound + len(stays) if bound < 0 else bound))
    return int(stays[:whole].sum())


def _place(index: Sequence[Any], dimension: int, rank: int) -> int | None:
    """Return which entry of an index is about a dimension of the tensor."""
    given = sum(1 for one in index if one is not None and one is not Ellipsis)
    at = 0
    for place, one in enumerate(index):
        if one is Ellipsis:
            at += rank - given
        elif one is not None:
            if at == dimension:
                return place
            at += 1
    return None


def _pad_anew(node: fx.Node, call: Call, graph: ChannelGraph, removed: Tensor) -> None:
    """Pad by as many channels as there are left of those that the padding made."""
    amounts = list(call.argument("pad"))
    masks = graph.survivors(call.outputs[0], removed)
    shape = graph.record.shape(call.inputs[0])
    for index in range(0, len(amounts), 2):
        mask = masks[len(shape) - 1 - index // 2]
        low, high = amounts[index : index + 2]
        if low > 0:
            amounts[index] = int(mask[:low].sum())
        if high > 0:
            amounts[index + 1] = int(mask[len(mask) - high :].sum())
    _replace(node, 1, "pad", tuple(amounts))


_MENDERS: dict[str, Callable[[fx.Node, Call, ChannelGraph, Tensor], None]] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "expand"), _view),
    **dict.fromkeys(("split", "split_with_sizes", "chunk"), _cut_anew),
    "slice": _move_slice,
    "constant_pad_nd": _pad_anew,
    "native_layer_norm": _normalize,
    "convolution": _convolve,
}
