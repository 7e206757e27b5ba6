"""The channels of a network as values: layers in run order, their groups, and what flows between them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobilekit.report.graph import ChannelGroup, ChannelMap, ChannelNode, Holding, NodeKind, Part

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mobilekit.compress.graph.atoms import Axis
    from mobilekit.compress.graph.channels import ChannelGraph
    from mobilekit.compress.graph.record import Call, Value


def channel_map(
    network: "nn.Module", inputs: "Sequence[Tensor]", names: Sequence[str] = ()
) -> ChannelMap:
    """Follow the channels of a network, which is left as found.

    Args:
        network: any module.
        inputs: examples of its positional inputs, such as `[1, 3, 224, 224]`.
        names: of these inputs; "input 0" and so on where there are fewer.

    Raises:
        ModelError: the network cannot be traced.
    """
    from mobilekit.compress.graph.channels import ChannelGraph
    from mobilekit.compress.graph.coverage import coverage

    graph = ChannelGraph(network, inputs)
    rows = coverage(graph, network).layers
    groups = tuple(
        ChannelGroup(
            group.name,
            len(group.channels),
            tuple(dict.fromkeys(_owner(axis) for axis in group.writers)),
            group.pins,
            group.inexact,
        )
        for group in graph.groups
    )
    return ChannelMap(_Flow(graph).nodes(names), groups, rows[len(graph.writers) :])


def _owner(axis: "Axis") -> str:
    return axis.parameter.rpartition(".")[0] or axis.parameter


class _Flow:
    """Follows every value of a recorded run back to the layer or the join that it comes from."""

    def __init__(self, graph: "ChannelGraph") -> None:
        self._graph = graph
        self._found: list[ChannelNode] = []
        self._origin: dict[int, int] = {}
        """Place of the node that a value comes from, by the value's number; weights have none."""
        self._layers = _layer_calls(graph)
        self._parts: dict[Axis, list[int]] = {}
        for number, group in enumerate(graph.groups):
            for axis in group.writers:
                self._parts.setdefault(axis, []).append(number)

    def nodes(self, names: Sequence[str]) -> tuple[ChannelNode, ...]:
        """Return the nodes in the order of the run."""
        record = self._graph.record
        for number, value in enumerate(record.inputs):
            name = names[number] if number < len(names) else f"input {number}"
            self._add(ChannelNode("input", name, shape=record.shape(value)), (value,))
        for number, call in enumerate(record.calls):
            self._follow(number, call)
        for number, value in enumerate(record.outputs):
            shape, sources = record.shape(value), self._sources((value,))
            self._add(ChannelNode("output", f"output {number}", shape=shape, sources=sources), ())
        return tuple(self._found)

    def _follow(self, number: int, call: "Call") -> None:
        sources = self._sources(call.inputs)
        if number in self._layers:
            self._add(self._layer(self._layers[number], call, sources), call.outputs)
        elif sources and number in self._graph.unsupported:
            why = f"no rule for {self._graph.unsupported[number]}"
            self._add(self._plain("unknown", call, sources, why), call.outputs)
        elif len(sources) > 1:
            self._add(self._plain("join", call, sources), call.outputs)
        elif sources:
            for value in call.outputs:
                self._origin[value.index] = sources[0]

    def _sources(self, values: "Sequence[Value]") -> tuple[int, ...]:
        found = (self._origin.get(value.index) for value in values)
        return tuple(dict.fromkeys(place for place in found if place is not None))

    def _add(self, node: ChannelNode, outputs: "Sequence[Value]") -> None:
        for value in outputs:
            self._origin[value.index] = len(self._found)
        self._found.append(node)

    def _plain(
        self, kind: NodeKind, call: "Call", sources: tuple[int, ...], why: str = ""
    ) -> ChannelNode:
        shape = self._graph.record.shape(call.outputs[0])
        name = call.name.rstrip("_")
        return ChannelNode(kind, name, call.source or call.module, shape, sources, why=why)

    def _layer(self, axis: "Axis", call: "Call", sources: tuple[int, ...]) -> ChannelNode:
        graph = self._graph
        made = graph.channels_of(axis)
        pinned = graph.channels.pinned[made]
        why = "; ".join(graph.channels.reasons(dict.fromkeys(made[pinned].tolist())))
        parts = []
        for number in self._parts.get(axis, []):
            members = set(graph.groups[number].channels.tolist())
            parts.append(Part(number, sum(one in members for one in made.tolist())))
        holding: Holding = "free"
        if bool(pinned.any()):
            holding = "unsupported" if why.startswith("no rule for") else "pinned"
        return ChannelNode(
            "layer",
            _owner(axis),
            call.name,
            graph.record.shape(call.outputs[0]),
            sources,
            len(made),
            int((~pinned).sum()),
            holding,
            why,
            tuple(parts),
        )


def _layer_calls(graph: "ChannelGraph") -> "dict[int, Axis]":
    """Return which weight each layer's call uses; a shared layer has several calls."""
    numbers = {id(call): number for number, call in enumerate(graph.record.calls)}
    weights = {axis.parameter: axis for axis in reversed(graph.writers)}
    found = {
        reading.call: weights[reading.axis.parameter]
        for reading in graph.readings
        if reading.axis.parameter in weights
    }
    return found | {numbers[id(graph.call_of(axis))]: axis for axis in graph.writers}
