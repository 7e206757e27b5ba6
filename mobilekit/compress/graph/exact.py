"""Remove dead channels without changing the function: where their constants go.

A weight without zero padding (a linear layer, a convolution over what needs no border) takes what it
read of the dead channels into its bias. Where padding makes the border different, one dead channel
stays as *carrier*: its constant times a kernel that is the sum of all. The result has plain layers and
holds at every resolution.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.constants import constants
from mobilekit.compress.graph.record import Value
from mobilekit.compress.graph.stored import stored

WEAK = 0.05
"""A carrier's constant is at least this share of the largest one it stands for."""


@dataclass(frozen=True)
class Selection:
    """Which dead channels can go, and which of them stay for the others."""

    removed: Tensor
    """Whether each channel goes, shape `[channels]`."""
    carriers: Tensor
    """Whether each channel stays to carry the constants of others, shape `[channels]`."""


@dataclass(frozen=True)
class Removal:
    """The network that no longer needs some channels."""

    network: nn.Module
    """A copy whose biases and carriers hold the constants; the given one where there were none."""
    biases: dict[str, Axis]
    """Biases that the copy has got, each with the dimension of the weight that it belongs to."""


class Constants:
    """What every weight of a network reads of its dead channels; measured once.

    Args:
        graph: of the network.
        network: is left as found.
        dead: channels whose filters count as zeros, shape `[channels]`.
        samples: inputs on which the constants are measured, two or more.
    """

    def __init__(
        self,
        graph: ChannelGraph,
        network: nn.Module,
        dead: Tensor,
        samples: Sequence[Sequence[Tensor]],
    ) -> None:
        self._graph, self._network = graph, network
        places = [(one.call, one.value, one.dimension) for one in graph.readings]
        places += [(met.call, *side) for met in graph.meetings for side in met.sides]
        measured = constants(graph, zeroed(graph, network, dead), samples, places)
        self._readers = _readers(graph, network, measured[: len(graph.readings)])
        self._unfit = _unfit(graph, measured[len(graph.readings) :])

    def select(self, wanted: Tensor) -> Selection:
        """Choose what of the wanted dead channels, shape `[channels]`, can go exactly."""
        removed = wanted & ~self._unfit
        carriers = torch.zeros_like(removed)
        if not bool(removed.any()):
            return Selection(removed, carriers)
        for reader in self._readers:
            varying = reader.channels[reader.constant.isnan()]
            removed[varying] = False
        _drop_unequal(self._readers, removed)
        for reader in sorted(self._readers, key=lambda one: one.bias is not None):
            if reader.bias is None:
                _choose_carrier(reader, removed, carriers)
        return Selection(removed, carriers)

    def added(self, selection: Selection) -> dict[str, Axis]:
        """Return the biases that the network will get, each with its weight's dimension."""
        found = {}
        for reader in self._readers:
            lacks = reader.bias is not None and getattr(reader.bias, "bias", None) is None
            if lacks and bool(_going(reader, selection.removed).any()):
                found[f"{reader.name.rpartition('.')[0]}.bias".lstrip(".")] = Axis(reader.name, 0)
        return found

    def move(self, selection: Selection) -> Removal:
        """Return a copy of the network in which biases and carriers hold what the removed gave."""
        if not bool(selection.removed.any()):
            return Removal(self._network, {})
        biases = self.added(selection)
        changed = zeroed(self._graph, self._network, selection.carriers)
        if changed is self._network:
            changed = copy.deepcopy(self._network)
        done: set[tuple[str, int]] = set()
        with torch.no_grad():
            for reader in self._readers:
                if (reader.name, reader.dimension) not in done:
                    _move(reader, changed, selection)
                    done.add((reader.name, reader.dimension))
        return Removal(changed, biases)


def zeroed(graph: ChannelGraph, network: nn.Module, channels: Tensor) -> nn.Module:
    """Return a copy without what makes these channels; the network itself where that is zero already."""
    result = network
    parameters = dict(network.named_parameters(remove_duplicate=False))
    for axis in graph.writers:
        parameter = parameters.get(axis.parameter)
        if parameter is None:
            continue
        rows = channels[graph.channels_of(axis)]
        if not bool(parameter.detach().movedim(axis.dimension, 0)[rows].any()):
            continue
        if result is network:
            result = copy.deepcopy(network)
        with torch.no_grad():
            stored(result, axis.parameter).movedim(axis.dimension, 0)[rows] = 0
    return result


@dataclass(frozen=True)
class _Reader:
    """One weight and what it gets: everything that is needed to move constants."""

    name: str
    dimension: int
    channels: Tensor
    """Channel of each read index, shape `[groups, n]`."""
    constant: Tensor
    """What arrives, shape `[groups, n]`; NaN where it varies."""
    groups: int
    transposed: bool
    bias: nn.Module | None
    """The module whose bias can take constants; None where a carrier must."""


def _unfit(graph: ChannelGraph, meetings: Sequence[Tensor]) -> Tensor:
    """Return channels whose removal would change others, shape `[channels]`.

    A pair of queries and keys adds nothing to a product if one side of it is zero.

    Args:
        graph: of the network.
        meetings: what arrives at both sides of each of the graph's meetings, one after the other.
    """
    unfit = graph.channels.pinned.clone()
    unfit[graph.otherwise_inexact] = True
    for number, met in enumerate(graph.meetings):
        left, right = meetings[2 * number : 2 * number + 2]
        nothing = (left == 0) | (right == 0)
        unfit[graph.channels.of(met.atoms.reshape(-1))[~nothing]] = True
    return unfit


def _readers(graph: ChannelGraph, network: nn.Module, measured: Sequence[Tensor]) -> list[_Reader]:
    modules = dict(network.named_modules())
    found = []
    for reading, arriving in zip(graph.readings, measured, strict=True):
        call = graph.record.calls[reading.call]
        convolution = call.name == "convolution"
        groups = call.argument("groups") if convolution else 1
        transposed = convolution and call.argument("transposed")
        channels = graph.channels_of(reading.axis)
        owner = modules.get(reading.axis.parameter.rpartition(".")[0])
        padded = convolution and (transposed or any(call.argument("padding")))
        weight = stored(network, reading.axis.parameter).detach()
        constant = torch.where(_unheard(weight, reading.axis.dimension, groups), 0.0, arriving)
        able = _can_take(owner, call.argument("bias") if convolution else reading.bias)
        found.append(
            _Reader(
                reading.axis.parameter,
                reading.axis.dimension,
                channels.reshape(groups, -1) if transposed else channels.expand(groups, -1),
                constant.reshape(groups, -1),
                groups,
                transposed,
                owner if able and not padded else None,
            )
        )
    return found


def _unheard(weight: Tensor, dimension: int, groups: int) -> Tensor:
    """Return which read indices meet zeros only, whatever arrives there; shape as the constants'."""
    if dimension == 0 or groups == 1:  # transposed, or one group
        others = [d for d in range(weight.ndim) if d != dimension]
        return ~weight.ne(0).sum(others).bool().cpu()
    blocks = weight.reshape(groups, -1, *weight.shape[1:])
    return ~blocks.ne(0).sum([1, *range(3, blocks.ndim)]).bool().reshape(-1).cpu()


def _can_take(owner: nn.Module | None, bias: Value | str | None) -> bool:
    """A convolution can get a bias; a linear layer without one would become another operator."""
    if isinstance(owner, nn.modules.conv._ConvNd):  # noqa: SLF001
        return True
    return isinstance(owner, nn.Linear) and bias is not None and owner.bias is not None


def _drop_unequal(readers: list[_Reader], removed: Tensor) -> None:
    """A weight that is used twice must read the same constants both times."""
    first: dict[tuple[str, int], _Reader] = {}
    for reader in readers:
        other = first.setdefault((reader.name, reader.dimension), reader)
        if other is not reader:
            apart = (reader.constant - other.constant).abs() > 1e-6 * other.constant.abs()
            removed[reader.channels[apart]] = False


def _choose_carrier(reader: _Reader, removed: Tensor, carriers: Tensor) -> None:
    """Keep one dead channel whose constant can stand for all that this weight reads, in every group."""
    share, needed = _share(reader, removed)
    if not bool(needed.any()):
        return
    if bool((carriers[reader.channels].all(0) & (share >= WEAK)).any()):
        return
    candidates = torch.where(removed[reader.channels].all(0), share, torch.zeros(()).double())
    best = int(candidates.argmax())
    if float(candidates[best]) < WEAK:
        removed[reader.channels[needed]] = False
        return
    channel = reader.channels[:, best]
    removed[channel], carriers[channel] = False, True


def _share(reader: _Reader, removed: Tensor) -> tuple[Tensor, Tensor]:
    """Compare the constant at each place with the largest one that goes, group by group.

    Returns:
        The least of these shares over the groups where something goes, shape `[n]`; and where a constant
        other than 0 goes, shape `[groups, n]`.
    """
    nothing = torch.zeros(()).double()
    sizes = torch.where(reader.constant.isnan(), nothing, reader.constant.abs())
    going = torch.where(removed[reader.channels], sizes, nothing)
    need = going.amax(1, keepdim=True)
    return torch.where(need > 0, sizes / need.clamp_min(1e-300), torch.inf).amin(0), going > 0


def _going(reader: _Reader, removed: Tensor) -> Tensor:
    """Return whether each read index goes with a constant other than 0, shape `[groups, n]`."""
    return removed[reader.channels] & (reader.constant != 0)


def _move(reader: _Reader, network: nn.Module, selection: Selection) -> None:
    """Add what the removed channels gave to the bias or to the carrier's kernel, in place."""
    going = _going(reader, selection.removed)
    if not bool(going.any()):
        return
    weight = stored(network, reader.name)
    kernels = weight.detach().double().cpu().movedim(reader.dimension, 0)
    given = torch.where(going, reader.constant, torch.zeros(()).double())  # [groups, n]
    if reader.bias is not None:
        _to_bias(reader, network, kernels, given)
        return
    every = torch.where(reader.constant.isnan(), torch.zeros(()).double(), reader.constant)
    staying = selection.carriers[reader.channels].all(0)
    share = torch.where(staying, _share(reader, selection.removed)[0], -torch.ones(()).double())
    carrier = int(share.argmax())
    factors = torch.where(every[:, carrier, None] != 0, given / every[:, carrier, None], 0.0)
    if reader.transposed:
        blocks = kernels.reshape(reader.groups, -1, *kernels.shape[1:])
        blocks[:, carrier] += torch.einsum("gn,gn...->g...", factors, blocks)
        result = blocks.reshape(kernels.shape)
    else:
        blocks = kernels.reshape(kernels.shape[0], reader.groups, -1, *kernels.shape[2:])
        blocks[carrier] += torch.einsum("gn,ng...->g...", factors, blocks)
        result = blocks.reshape(kernels.shape)
    weight.copy_(result.movedim(0, reader.dimension).to(weight))


def _to_bias(reader: _Reader, network: nn.Module, kernels: Tensor, given: Tensor) -> None:
    sums = kernels.reshape(*kernels.shape[:2], -1).sum(2)  # [n, outputs]
    blocks = sums.reshape(sums.shape[0], reader.groups, -1)
    shift = torch.einsum("gn,ngo->go", given, blocks).reshape(-1)
    owner = network.get_submodule(reader.name.rpartition(".")[0])
    weight = stored(network, reader.name)
    if getattr(owner, "bias", None) is None:
        owner.bias = nn.Parameter(shift.to(weight), requires_grad=weight.requires_grad)
        return
    bias = owner.bias
    assert isinstance(bias, nn.Parameter)  # noqa: S101  a bias that can be added to
    bias.copy_((bias.detach().double().cpu() + shift).to(bias))
