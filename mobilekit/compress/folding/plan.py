"""Which batch norms can move into which layers, and why the others cannot."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from mobilekit.compress.folding.arithmetic import Affine, after, ahead_of
from mobilekit.compress.folding.dataflow import Channels, Flow
from mobilekit.compress.folding.layers import Layer, Layers, ahead, behind
from mobilekit.compress.graph.record import Call, Record
from mobilekit.core.errors import ModelError


class Left(msgspec.Struct, frozen=True):
    """A batch norm that stays, and why."""

    norm: str
    """Path of the module, or `file.py:12` of a call that belongs to none."""
    reason: str


@dataclass(frozen=True)
class Change:
    """The new weight and bias of one layer."""

    path: str
    module: nn.Module
    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Move:
    """One batch norm that goes into one or several layers."""

    norm: str
    module: nn.Module
    changes: tuple[Change, ...]


_Link = tuple[Layer, Channels]
_Absorb = Callable[..., tuple[Tensor, Tensor]]


def plan(
    network: nn.Module, record: Record, refused: Mapping[nn.Module, str]
) -> tuple[list[Move], list[Left]]:
    """Decide about every batch norm of a recorded run; each layer takes in at most one at a time.

    Args:
        network: what was recorded.
        record: of one run of it.
        refused: norms that are to stay, and why.

    Raises:
        ModelError: a weight or a statistic is not a finite number.
    """
    flow = Flow(network, record)
    layers = Layers(network, flow)
    calls, left = _calls(flow)
    moves: list[Move] = []
    taken: set[nn.Module] = set()
    for path, module in network.named_modules():
        if not isinstance(module, _BatchNorm):
            continue
        at = calls.get(module, [])
        found = refused.get(module) or _move(flow, layers, path, module, at)
        if isinstance(found, str):
            left.append(Left(path, found))
        elif not taken & {change.module for change in found.changes}:
            moves.append(found)
            taken |= {change.module for change in found.changes}
    return moves, left


def _calls(flow: Flow) -> tuple[dict[nn.Module, list[int]], list[Left]]:
    """Sort the batch-norm calls by module; those that are no module's own are left."""
    calls: dict[nn.Module, list[int]] = {}
    left: dict[str, Left] = {}
    for position, call in enumerate(flow.calls):
        if call.name != "native_batch_norm":
            continue
        owner = flow.owner(call)
        if isinstance(owner, _BatchNorm) and _own(flow, call):
            calls.setdefault(owner, []).append(position)
        elif not isinstance(owner, _InstanceNorm | _BatchNorm) and not call.argument("training"):
            where = call.source or call.module
            left[where] = Left(where, "it is called as a function, not by a module of its own")
    return calls, list(left.values())


def _own(flow: Flow, call: Call) -> bool:
    """Whether a call reads exactly its module's own four tensors, where it has them."""
    module = flow.owner(call)
    for name in ("weight", "bias", "running_mean", "running_var"):
        value = call.argument(name)
        held = flow.holder(value)
        if (value is not None or getattr(module, name) is not None) and (
            held is None or getattr(held[0], held[1]) is not getattr(module, name)
        ):
            return False
    return True


def _move(
    flow: Flow, layers: Layers, path: str, norm: _BatchNorm, positions: list[int]
) -> Move | str:
    problem = _unfit(flow, norm, positions)
    if problem:
        return problem
    affine = Affine.of(norm, flow.calls[positions[0]].argument("eps"))
    if not affine.finite():
        raise ModelError(
            f"{path}: its weights or statistics give no finite scale and shift; mend them before folding"
        )
    before = _into_previous(flow, layers, positions)
    if not isinstance(before, str):
        return _changes(path, norm, before, affine, after)
    follows = _into_next(flow, layers, positions, affine)
    if not isinstance(follows, str):
        return _changes(path, norm, follows, affine, ahead_of)
    return f"{before}; {follows}"


def _unfit(flow: Flow, norm: _BatchNorm, positions: list[int]) -> str | None:
    """Say why a norm cannot go, whatever stands beside it."""
    if not any(flow.owner(call) is norm for call in flow.calls):
        return "it does not run in evaluation mode"
    if not positions:
        return "it does not read its own weights and statistics"
    if norm.running_mean is None or flow.calls[positions[0]].argument("training"):
        return (
            "it has no running statistics: it normalizes by each batch, which no fixed weight can"
        )
    hooks = (norm._forward_hooks, norm._forward_pre_hooks, norm._backward_hooks)  # noqa: SLF001
    if any(hooks):
        return "it has hooks, which would go with it"
    if any(
        flow.owner(call) is norm and call.name not in {"native_batch_norm", "empty"}
        for call in flow.calls
    ):
        return "its forward does more than to normalize"
    read = (value for at in positions for value in flow.calls[at].inputs[1:])
    if any(
        flow.owner(flow.calls[user]) is not norm for value in read for user in flow.users(value)
    ):
        return "its weights are also read elsewhere"
    return None


def _into_previous(flow: Flow, layers: Layers, positions: list[int]) -> list[_Link] | str:
    links = []
    for position in positions:
        found = behind(flow, layers, flow.calls[position].argument("input"))
        if isinstance(found, str):
            return found
        layer, at = found
        if at != Channels():
            return f"it normalizes another dimension than the channels of {layer.path}"
        links.append((layer, at))
    return _complete(flow, layers, links) or links


def _into_next(
    flow: Flow, layers: Layers, positions: list[int], affine: Affine
) -> list[_Link] | str:
    links: list[_Link] = []
    for position in positions:
        call = flow.calls[position]
        found = ahead(flow, layers, call.outputs[0], Channels())
        if isinstance(found, str):
            return found
        last = max(layer.position for layer, _ in found)
        if flow.written(call.argument("input"), position, last):
            return "its input is written in place before the next layer reads it"
        links += found
    for layer, at in links:
        if at.axis != 1:
            return f"it normalizes another dimension than the channels of {layer.path}"
        if layer.uneven and affine.shift.any():
            words = "transposed kernel" if layer.transposed else "zero padding"
            return f"the {words} of {layer.path} would let its shift through unevenly"
    return _complete(flow, layers, links) or links


def _complete(flow: Flow, layers: Layers, links: list[_Link]) -> str | None:
    """Say which layer also runs without the norm, or in another place beside it."""
    linked = {(layer.position, at) for layer, at in links}
    for layer, at in links:
        runs = layers.by_module[layer.module]
        if any((run.position, at) not in linked for run in runs):
            return f"{layer.path} runs {len(runs)} times, and not always with this norm"
        for value in (layer.weight, layer.bias):
            if value is not None and len(flow.users(value)) != len(runs):
                return f"a weight of {layer.path} is also used elsewhere"
    return None


def _changes(
    path: str, norm: nn.Module, links: list[_Link], affine: Affine, absorb: _Absorb
) -> Move | str:
    made: dict[nn.Module, Change] = {}
    for layer, at in links:
        module = layer.module
        if module in made:
            continue
        old, bias = tensors(module)
        if not (old.isfinite().all() and (bias is None or bias.isfinite().all())):
            raise ModelError(f"{layer.path}: its weights hold NaN or infinity; mend them first")
        weight, constant = absorb(
            old,
            bias,
            affine.repeated(at.repeat),
            layer.groups,
            transposed=layer.transposed,
        )
        if not (weight.isfinite().all() and constant.isfinite().all()):
            return f"the folded weights of {layer.path} are too large for {weight.dtype}"
        made[module] = Change(layer.path, module, weight, constant)
    return Move(path, norm, tuple(made.values()))


def tensors(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Return the weight and bias of a layer."""
    weight, bias = module.weight, module.bias
    assert isinstance(weight, Tensor)  # noqa: S101  a layer is found by its weight
    assert bias is None or isinstance(bias, Tensor)  # noqa: S101
    return weight, bias
