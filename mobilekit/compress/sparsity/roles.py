"""What layers are for: which make the network's outputs, and which batch norms scale their filters."""

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import OUTPUT, ChannelGraph
from mobilekit.compress.graph.record import Call, Record, Value
from mobilekit.compress.graph.stored import stored
from mobilekit.compress.sparsity.grouped import Grouped

_PRODUCTS = frozenset({"convolution", "addmm", "mm", "bmm", "baddbmm"})


@dataclass(frozen=True, eq=False)
class Scale:
    """Where the batch-norm scales of a layer's filters are."""

    weight: Tensor
    """γ of the norm, itself and not a copy: it changes while the network trains."""
    places: Tensor
    """Place in it of each filter's, shape `[filters]`."""

    def sizes(self) -> Tensor:
        """Return |γ| per filter as it is now, shape `[filters]`."""
        return self.weight.detach()[self.places].abs()


def heads(graph: ChannelGraph, groups: Sequence[Grouped]) -> set[str]:
    """Return the layers, by path, of which some filter makes a channel of the network's outputs.

    A layer whose channels the graph does not number (it has one filter) makes an output where only
    calls without weights lie between.

    Args:
        graph: of the network.
        groups: of any granularity; their layers are looked at.
    """
    layers = {group.name: group.layer for group in groups}
    numbered = {axis.parameter for axis in graph.writers}
    last = _Behind(graph.record).weights(graph.record.outputs)
    return {layers[name] for name in last if name in layers.keys() - numbered} | {
        layers[axis.parameter]
        for axis in graph.writers
        if axis.parameter in layers
        and OUTPUT in graph.channels.reasons(graph.channels_of(axis).tolist())
    }


def batch_norm_scales(
    graph: ChannelGraph, network: nn.Module, groups: Sequence[Grouped]
) -> dict[str, Scale]:
    """Find the scales γ of the batch norm behind each layer, one per filter, by the weight's name.

    Between the two lie calls without weights: nothing, a concatenation, a sum. Where several norms scale
    the same channels, the first in the order of the run counts. Layers without one are left out.

    Args:
        graph: of the network.
        network: whose norms are meant.
        groups: filters of the layers.
    """
    wanted = {group.name: group for group in groups}
    writers = {axis.parameter: axis for axis in graph.writers}
    found: dict[str, Scale] = {}
    for norm, before in _norms(graph, network):
        scale = stored(network, norm)
        for name in before & (wanted.keys() - found.keys()):
            places = [0]
            if name in writers:
                places = _places(graph, writers[name], Axis(norm, 0))
            if len(places) == wanted[name].count:
                found[name] = Scale(scale, torch.tensor(places, device=scale.device))
    return found


def _norms(graph: ChannelGraph, network: nn.Module) -> list[tuple[str, set[str]]]:
    """Return the scale of each batch norm by name, and the weights before it, in the order of the run."""
    scales = {
        f"{path}.weight".lstrip(".")
        for path, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.affine
    }
    behind = _Behind(graph.record)
    return [
        (name, behind.weights(call.inputs[:1], scales))
        for call in graph.record.calls
        for name in map(graph.record.name, call.inputs)
        if name in scales
    ]


def _places(graph: ChannelGraph, writer: Axis, norm: Axis) -> list[int]:
    """Return the place in a norm of each of a layer's channels; empty where it lacks one."""
    if norm not in graph.axes_of(norm.parameter):
        return []
    behind, channels = graph.channels_of(norm).tolist(), graph.channels_of(writer).tolist()
    # Channels that can only go together have one number: filters of groups, so the order counts.
    for first in range(len(behind) - len(channels) + 1):
        if behind[first : first + len(channels)] == channels:
            return list(range(first, first + len(channels)))
    places = {channel: k for k, channel in enumerate(behind)}
    apart = len(places) == len(behind) and {*channels} <= places.keys()
    return [places[channel] for channel in channels] if apart else []


class _Behind:
    """Looks back through a run."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._makers: defaultdict[Value, list[Call]] = defaultdict(list)
        for call in record.calls:
            for value in call.outputs:
                self._makers[value].append(call)

    def weights(self, values: Sequence[Value], fences: AbstractSet[str] = frozenset()) -> set[str]:
        """Return the weights of the products that values come from without another product between.

        Args:
            values: of the record.
            fences: names of parameters; what lies before calls that read them is not looked at.
        """
        found: set[str] = set()
        seen, waiting = set(values), list(values)
        while waiting:
            for call in self._makers[waiting.pop()]:
                names = self._read(call)
                found |= names if call.name in _PRODUCTS else set()
                if names & fences or (names and call.name in _PRODUCTS):
                    continue
                waiting += [value for value in call.inputs if value not in seen]
                seen.update(call.inputs)
        return found

    def _read(self, call: Call) -> set[str]:
        """Return the parameters that a call reads, as they are or moved."""
        return {name for value in call.inputs if (name := self._name(value)) is not None}

    def _name(self, value: Value) -> str | None:
        while self._record.name(value) is None:
            makers = self._makers[value]
            if len(makers) != 1 or len(makers[0].inputs) != 1 or makers[0].inputs[0] == value:
                return None
            (value,) = makers[0].inputs
        return self._record.name(value)
