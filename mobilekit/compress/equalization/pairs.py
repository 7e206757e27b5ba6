"""Which layers hand their channels to one other layer alone, so that a scale can move between them."""

from dataclasses import dataclass

import msgspec
from torch import nn

from mobilekit.compress.equalization.passing import passed
from mobilekit.compress.folding.dataflow import Channels, Flow
from mobilekit.compress.folding.layers import Layer, Layers
from mobilekit.compress.graph.record import Record, Value


@dataclass(frozen=True)
class Pair:
    """A layer, and the only one that reads what it makes."""

    producer: Layer
    consumer: Layer
    repeat: int
    """How many neighbouring inputs of the consumer are one channel of the producer."""


class Left(msgspec.Struct, frozen=True):
    """A layer whose outputs keep their size, and why."""

    path: str
    reason: str
    norm: bool = False
    """Whether a batch norm is the reason, which could be folded."""


def pairs_of(network: nn.Module, record: Record) -> tuple[list[Pair], list[Left]]:
    """Find every pair of layers with nothing between them that minds a positive scale per channel.

    Args:
        network: what was recorded.
        record: of one run of it.

    Returns:
        The pairs in the order of the run, and the layers that hand on to no other.
    """
    flow = Flow(network, record)
    layers = Layers(network, flow)
    pairs: list[Pair] = []
    left = [
        Left(flow.calls[position].module, reason.partition(": ")[2])
        for position, reason in layers.refused.items()
    ]
    for runs in layers.by_module.values():
        producer = runs[0]
        found = _own(flow, layers, producer) or _reader(flow, layers, producer)
        if isinstance(found, Pair):
            problem = _own(flow, layers, found.consumer)
            found = Left(producer.path, problem.reason) if problem else found
        if isinstance(found, Pair):
            pairs.append(found)
        else:
            left.append(found)
    return pairs, list(dict.fromkeys(left))


def _own(flow: Flow, layers: Layers, layer: Layer) -> Left | None:
    """Say why the weights of a layer cannot change: they do more than this one run."""
    if len(layers.by_module[layer.module]) > 1:
        return Left(layer.path, f"{layer.path} runs more than once")
    for value in (layer.weight, layer.bias):
        if value is not None and len(flow.users(value)) > 1:
            return Left(layer.path, f"a weight of {layer.path} is also used elsewhere")
    return None


def _reader(flow: Flow, layers: Layers, producer: Layer) -> Pair | Left:
    """Follow a layer's result to the one layer that reads it."""
    value, at = producer.result, Channels(producer.axis)
    while True:
        found = _next(flow, layers, value)
        if isinstance(found, str):
            return Left(producer.path, found)
        if isinstance(found, Layer):
            inputs = flow.record.shape(found.source)[1] // found.groups
            if at.axis == 1 and inputs % at.repeat == 0:
                return Pair(producer, found, at.repeat)
            return Left(producer.path, f"its channels are no whole inputs of {found.path}")
        call = flow.calls[found]
        if call.name == "native_batch_norm":
            return Left(producer.path, f"batch norm {call.module} follows it", norm=True)
        following = passed(flow, call, value, at)
        if following is None:
            words = f"{call.name.rstrip('_')} follows it, which minds the size of its input"
            return Left(producer.path, words)
        value, at = call.outputs[0], following


def _next(flow: Flow, layers: Layers, value: Value) -> Layer | int | str:
    """Return the only layer or call that takes a value; words if there is none, or several."""
    if flow.returned(value):
        return "it makes an output of the network"
    users = list(dict.fromkeys(flow.users(value)))
    readers = {id(layer): layer for user in users if (layer := layers.by_call.get(user))}
    if len(readers) == 1 and all(user in layers.by_call for user in users):
        [layer] = readers.values()
        return layer if layer.source == value else "it is read inside another layer"
    if len(users) != 1:
        return "its output is used more than once" if users else "nothing uses its output"
    return layers.refused.get(users[0], users[0])
