"""What a network would cost without some channels, without cutting it."""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.record import Call, Value


@dataclass(frozen=True)
class Cost:
    """Of one run on the inputs of the graph."""

    params: int
    macs: int


def predict(graph: ChannelGraph, network: nn.Module, removed: Tensor) -> Cost:
    """Count parameters and multiply-accumulates of convolutions and matrix products.

    Args:
        graph: of the network.
        network: whose parameters count, also those that no call reads.
        removed: whether each channel goes, shape `[channels]`.
    """
    params = 0
    for name, parameter in network.named_parameters():
        sizes = list(parameter.shape)
        for axis in graph.axes_of(name):
            sizes[axis.dimension] = int((~removed[graph.channels_of(axis)]).sum())
        params += math.prod(sizes)
    return Cost(params, sum(_macs(graph, call, removed) for call in graph.record.calls))


def _macs(graph: ChannelGraph, call: Call, removed: Tensor) -> int:
    def left(value: Value) -> list[int]:
        return [int(mask.sum()) for mask in graph.survivors(value, removed)]

    if call.name == "convolution":
        weight, transposed = left(call.argument("weight")), call.argument("transposed")
        maps = left(call.argument("input") if transposed else call.outputs[0])
        return math.prod(maps) * math.prod(weight[1:])
    if call.name in {"mm", "bmm", "addmm"}:
        first = call.args[1] if call.name == "addmm" else call.args[0]
        return math.prod(left(call.outputs[0])) * left(first)[-1]
    if call.name.startswith("_scaled_dot_product"):
        query, key, value = (left(call.argument(name)) for name in ("query", "key", "value"))
        return math.prod(query) * key[-2] + math.prod(query[:-1]) * key[-2] * value[-1]
    return 0
