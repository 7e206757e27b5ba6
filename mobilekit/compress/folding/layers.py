"""Which calls are layers whose own weight and bias can take a batch norm in."""

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import nn

from mobilekit.compress.folding.dataflow import MOVES, Channels, Flow, moved
from mobilekit.compress.graph.record import Call, Value

COMPUTED = (
    "its weight is computed at every run (weight norm, a parametrization, a mask): make that permanent"
    " first"
)


@dataclass(frozen=True)
class Layer:
    """One run of a convolution, transposed convolution or linear module."""

    path: str
    module: nn.Module
    start: int
    """Position of the first call that belongs to this run and takes `source`."""
    position: int
    """Of the call that multiplies."""
    source: Value
    """Its channels are dimension 1."""
    result: Value
    axis: int
    """Dimension of the result that holds its channels."""
    weight: Value
    bias: Value | None
    groups: int = 1
    transposed: bool = False
    uneven: bool = False
    """Whether some outputs see fewer inputs than others: zero padding, or a transposed kernel."""


class Layers:
    """The layers of a recorded run, by what they take and make; and why other calls are none."""

    def __init__(self, network: nn.Module, flow: Flow) -> None:
        self._flow = flow
        self._owners = _owners(network)
        self.by_result: dict[int, Layer] = {}
        self.by_call: dict[int, Layer] = {}
        self.by_module: dict[nn.Module, list[Layer]] = defaultdict(list)
        self.refused: dict[int, str] = {}
        """Why a call that multiplies with weights is no layer here, by its position."""
        for position, call in enumerate(flow.calls):
            if call.name not in {"convolution", "mm", "addmm"}:
                continue
            found = self._read(position, call)
            if isinstance(found, str):
                self.refused[position] = found
            else:
                self._add(found)

    def _add(self, layer: Layer) -> None:
        self.by_result[layer.result.index] = layer
        self.by_module[layer.module].append(layer)
        for position in range(layer.start, layer.position + 1):
            self.by_call[position] = layer

    def _read(self, position: int, call: Call) -> Layer | str:
        found = (
            self._convolution(position, call)
            if call.name == "convolution"
            else self._linear(position, call)
        )
        problem = COMPUTED if found is None else self._foreign(found)
        if found is None or problem:
            return f"{call.module or 'the network'}: {problem}"
        return found

    def _linear(self, position: int, call: Call) -> Layer | None:
        flow = self._flow
        maker = flow.maker(call.argument("mat2"))
        if maker is None or flow.calls[maker].name != "t":
            return None
        if len(flow.users(call.argument("mat2"))) > 1:
            return None
        weight = flow.calls[maker].inputs[0]
        result: Value = call.outputs[0]
        if call.name == "addmm":
            source, bias = call.argument("mat1"), call.argument("self")
        else:
            source = call.argument("self")
            result, bias = self._added(call)
        axis = len(flow.record.shape(result)) - 1
        module = flow.owner(call)
        return Layer(call.module, module, position, position, source, result, axis, weight, bias)

    def _added(self, call: Call) -> tuple[Value, Value | None]:
        """Find the addition of its own bias that may end a linear layer on more than two dimensions."""
        value, flow = call.outputs[0], self._flow
        while len(flow.users(value)) == 1:
            user = flow.calls[flow.users(value)[0]]
            if user.module != call.module or flow.returned(value):
                break
            if user.name in {"add", "add_"}:
                return user.outputs[0], user.argument("other")
            if user.name not in {"view", "_unsafe_view"}:
                break
            value = user.outputs[0]
        return call.outputs[0], None

    def _foreign(self, layer: Layer) -> str | None:
        """Say why weight or bias are not only this module's own."""
        flow, module = self._flow, layer.module
        holder = flow.holder(layer.weight)
        if holder is None or holder[1] != "weight":
            return COMPUTED
        if len(self._owners[id(holder[0].weight)]) > 1:
            return "its weight is shared with another module"
        if holder[0] is not module:
            return f"the weight of {flow.path(holder[0])} is used by a function, not by its module"
        if layer.bias is None:
            return None if getattr(module, "bias", layer) is None else "it does not use its bias"
        held = flow.holder(layer.bias)
        if held is None or held[0] is not module or held[1] != "bias":
            return "its bias is computed at every run, or another module's"
        shared = len(self._owners[id(module.bias)]) > 1
        return "its bias is shared with another module" if shared else None

    def _convolution(self, position: int, call: Call) -> Layer:
        weight = call.argument("weight")
        source, start = self._unwrapped(position, call)
        transposed = bool(call.argument("transposed"))
        uneven = any(call.argument("padding"))
        if transposed:
            kernel = self._flow.record.shape(weight)[2:]
            single = max(*kernel, *call.argument("stride")) == 1
            uneven = uneven or not single or any(call.argument("output_padding"))
        return Layer(
            call.module,
            self._flow.owner(call),
            start,
            position,
            source,
            call.outputs[0],
            1,
            weight,
            call.argument("bias"),
            int(call.argument("groups")),
            transposed,
            uneven,
        )

    def _unwrapped(self, position: int, call: Call) -> tuple[Value, int]:
        """Return what a convolution takes, before its own circular padding, and where that begins."""
        source: Value = call.argument("input")
        maker = self._flow.maker(source)
        module = self._flow.owner(call)
        convolution = isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        if convolution and module.padding_mode == "circular" and maker is not None:
            first = self._flow.calls[maker]
            if first.name == "new_empty" and first.module == call.module:
                return first.inputs[0], maker
        return source, position


def behind(flow: Flow, layers: Layers, value: Value) -> tuple[Layer, Channels] | str:
    """Find the layer whose result alone a value is, and where the layer's channels are in it.

    Returns:
        The layer and its channels, or words that say why there is none.
    """
    chain: list[Call] = []
    while value.index not in layers.by_result:
        call = _only_maker(flow, layers, value)
        if isinstance(call, str):
            return call
        chain.append(call)
        value = call.inputs[0]
    problem = _busy(flow, value)
    if problem:
        return problem
    layer = layers.by_result[value.index]
    at = Channels(layer.axis)
    for call in reversed(chain):
        following = _move(flow, call, at)
        if following is None:
            return f"{call.name} between {layer.path} and it splits the channels"
        at = following
    return layer, at


def _only_maker(flow: Flow, layers: Layers, value: Value) -> Call | str:
    """Return the call that makes a value by moving entries; words if there is none."""
    maker = flow.maker(value)
    if maker is None:
        return "it follows an input of the network, not a layer"
    if maker in layers.refused:
        return layers.refused[maker]
    call = flow.calls[maker]
    return _busy(flow, value) or (
        call if call.name in MOVES else f"it follows {call.name}, not a layer"
    )


def _busy(flow: Flow, value: Value) -> str | None:
    """Say what else takes a value that a norm takes."""
    maker = flow.maker(value)
    made = "" if maker is None else flow.calls[maker].module or flow.calls[maker].name
    if flow.returned(value):
        return f"the output of {made} is also an output of the network"
    if len(flow.users(value)) > 1:
        return f"the output of {made} is used more than once"
    return None


def ahead(
    flow: Flow, layers: Layers, value: Value, at: Channels
) -> list[tuple[Layer, Channels]] | str:
    """Find every layer that takes a value, if only layers do, and where the channels are there."""
    if flow.returned(value):
        return "its output is an output of the network"
    found: list[tuple[Layer, Channels]] = []
    for user in dict.fromkeys(flow.users(value)):
        layer, call = layers.by_call.get(user), flow.calls[user]
        if layer is not None and layer.source == value:
            found.append((layer, at))
            continue
        if user in layers.refused:
            return layers.refused[user]
        following = _move(flow, call, at) if call.name in MOVES else None
        if following is None:
            return f"{call.name} stands between it and the next layer"
        rest = ahead(flow, layers, call.outputs[0], following)
        if isinstance(rest, str):
            return rest
        found += rest
    return found or "nothing uses its output"


def _move(flow: Flow, call: Call, at: Channels) -> Channels | None:
    shape, result = flow.record.shape(call.inputs[0]), flow.record.shape(call.outputs[0])
    return moved(call, shape, result, at)


def _owners(network: nn.Module) -> dict[int, set[nn.Module]]:
    """Map each parameter and buffer, by identity, to the modules that hold it."""
    owners: dict[int, set[nn.Module]] = defaultdict(set)
    for module in network.modules():
        held: list[torch.Tensor] = [
            *module.parameters(recurse=False),
            *module.buffers(recurse=False),
        ]
        for tensor in held:
            owners[id(tensor)].add(module)
    return owners
