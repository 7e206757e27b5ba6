"""Physical pruning, whole: choose channels, move constants, cut, prove.

The pure functions behind the step `prune`. Three ways to say what goes: what is dead already (exact),
a share or a budget with a criterion, or channels by name.
"""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph, Group
from mobilekit.compress.graph.constants import dead_channels
from mobilekit.compress.graph.coverage import coverage
from mobilekit.compress.graph.exact import Removal, absorb
from mobilekit.compress.graph.rewriting import editable, repair
from mobilekit.compress.graph.surgery import IndexMap, cut, index_map, misfit
from mobilekit.compress.sparsity.latencies import Measured, Rounding
from mobilekit.core.errors import ModelError, NoEffectError, suggestion
from mobilekit.core.reports import Coverage

Choice = Callable[[ChannelGraph], Tensor]
"""Says which channels are wanted gone, shape `[channels]`; asked again when the graph has learnt more."""


@dataclass(frozen=True)
class Options:
    """Limits of a pruning."""

    epsilon: float = 0.0
    """Largest |w| of a dead filter."""
    round_to: int = 1
    """The channels that stay are a multiple of this, where there are as many."""
    allow_head: bool = False
    """Let outputs of the network lose channels."""
    check: bool = True
    """Run the smaller network on fake tensors, call by call, and give in to numbers that stand in its code;
    without it, such a network comes out broken."""
    measured: Measured | None = None
    """Latencies by which widths are chosen, beside the multiple."""


@dataclass(frozen=True)
class Pruned:
    """A smaller network, and how it came about."""

    network: nn.Module
    coverage: Coverage
    kept: IndexMap
    """Per parameter and dimension that was cut: the old index of each new one."""
    biases: Mapping[str, Axis]
    """Biases that took constants and did not exist before."""
    carriers: int
    """Dead channels that stay to carry the constants of others."""
    refused: int
    """Dead channels that stay because they are no constant where they are read."""
    reference: Callable[[], nn.Module]
    """Makes the network as large as before that the smaller one must equal."""
    rewritten: tuple[str, ...]
    """Calls whose numbers were rewritten; the network is then an `fx.GraphModule`."""
    comparable: bool
    """Whether it must: False where live channels went under a normalization over channels."""


def prune(
    network: nn.Module,
    inputs: Sequence[Tensor],
    choice: Choice | None = None,
    options: Options | None = None,
) -> Pruned:
    """Remove channels from a network; the given one is left as found.

    Args:
        network: any module that can be traced.
        inputs: examples of its positional inputs, such as `[1, 3, 224, 224]`.
        choice: of what goes; None for what is dead, exactly.
        options: limits; none by default.

    Raises:
        ModelError: weights that are not finite, or a network that cannot be traced.
        NoEffectError: nothing can go.
    """
    options = options or Options()
    check_finite(network)
    graph = ChannelGraph(network, inputs, allow_head=options.allow_head)
    attempt = _attempt(graph, network, inputs, choice, options)
    rewritten: tuple[str, ...] = ()
    if options.check and misfit(graph, attempt.smaller, inputs, attempt.removed) is not None:
        graph, attempt, rewritten = _mended(network, graph, inputs, choice, options)
    made, live = attempt.made, attempt.removed & ~attempt.made.removed
    refused = attempt.dead & attempt.wanted & ~attempt.removed & ~made.carriers & ~attempt.keep
    return Pruned(
        attempt.smaller,
        coverage(graph, network, attempt.removed),
        attempt.kept,
        made.biases,
        int(made.carriers.sum()),
        int(refused.sum()),
        lambda: _without(graph, network, live),
        rewritten,
        not bool(live[graph.inexact_channels].any()),
    )


def _mended(
    network: nn.Module,
    graph: ChannelGraph,
    inputs: Sequence[Tensor],
    choice: Choice | None,
    options: Options,
) -> "tuple[ChannelGraph, _Attempt, tuple[str, ...]]":
    """Prune a network with numbers in its code: in a traced graph if that goes, else around them."""
    traced = editable(network)
    if traced is not None:
        with contextlib.suppress(ModelError, NoEffectError):
            open_graph = ChannelGraph(traced, inputs, allow_head=options.allow_head)
            return _settled(traced, open_graph, inputs, choice, options)
    return _settled(network, graph, inputs, choice, options)


def _settled(
    subject: nn.Module,
    graph: ChannelGraph,
    inputs: Sequence[Tensor],
    choice: Choice | None,
    options: Options,
) -> "tuple[ChannelGraph, _Attempt, tuple[str, ...]]":
    """Cut, and yield to the first call that is wrong, until none is."""
    while True:
        attempt = _attempt(graph, subject, inputs, choice, options)
        wrong, rewritten = _proven(graph, attempt, inputs)
        if wrong is None:
            return graph, attempt, rewritten
        graph.yield_to(wrong)


@dataclass(frozen=True)
class _Attempt:
    """One cut, not yet known to fit; channels as masks of shape `[channels]`."""

    dead: Tensor
    wanted: Tensor
    keep: Tensor
    removed: Tensor
    made: Removal
    kept: IndexMap
    smaller: nn.Module


def _attempt(
    graph: ChannelGraph,
    subject: nn.Module,
    inputs: Sequence[Tensor],
    choice: Choice | None,
    options: Options,
) -> _Attempt:
    dead = dead_channels(graph, subject, options.epsilon)
    wanted = (choice(graph) if choice else dead) & _made_by_layers(graph)
    keep = rounded(graph, wanted, Rounding(options.round_to, options.measured))
    made = absorb(graph, subject, wanted & dead, noise(inputs), keep)
    removed = made.removed
    if choice:
        removed = (wanted & ~keep & ~made.carriers) & ~graph.channels.pinned
    removed = _at_least_one(graph, removed)
    kept = index_map(graph, removed, made.biases)
    if not kept:
        raise NoEffectError(_nothing(graph, wanted))
    return _Attempt(dead, wanted, keep, removed, made, kept, cut(made.network, kept))


def _proven(
    graph: ChannelGraph, attempt: _Attempt, inputs: Sequence[Tensor]
) -> tuple[int | None, tuple[str, ...]]:
    """Find the first call that a cut network gets wrong, mending what can be mended on the way."""
    rewritten: list[str] = []
    last = -1
    while True:
        wrong = misfit(graph, attempt.smaller, inputs, attempt.removed)
        if wrong is None or wrong <= last:
            return wrong, tuple(rewritten)
        if not repair(graph, attempt.smaller, wrong, attempt.removed):
            return wrong, tuple(rewritten)
        call = graph.record.calls[wrong]
        rewritten.append(f"{call.name} at {call.source or call.node}")
        last = wrong


def check_finite(network: nn.Module) -> None:
    """Refuse weights that are not finite.

    Raises:
        ModelError: with the first parameter that holds such values.
    """
    for name, tensor in network.named_parameters():
        if tensor.is_floating_point() and not _finite(tensor.detach()):
            raise ModelError(f"{name}: NaN or infinite weights; nothing can be said about them")


def _finite(tensor: Tensor) -> bool:
    """Whether all values are; a finite sum tells in one pass, only its overflow needs a second."""
    return math.isfinite(float(tensor.sum())) or bool(torch.isfinite(tensor).all())


def listed(graph: ChannelGraph, filters: Mapping[str, Sequence[int]]) -> Tensor:
    """Want filters by the name of their layer; what is coupled with them goes too.

    Args:
        graph: of the network.
        filters: indices per layer, such as `{"layer1.0.conv1": [3, 17]}`.

    Returns:
        Shape `[channels]`.

    Raises:
        ModelError: a layer that makes no channels, or an index that it does not have.
    """
    made = {axis.parameter.rpartition(".")[0] or axis.parameter: axis for axis in graph.writers}
    wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
    for layer, indices in filters.items():
        if layer not in made:
            raise ModelError(f"{layer}: no layer that makes channels.{suggestion(layer, made)}")
        channels = graph.channels_of(made[layer])
        beyond = [index for index in indices if not 0 <= index < len(channels)]
        if beyond:
            raise ModelError(
                f"{layer}: has {len(channels)} filters, there is no filter {beyond[0]}"
            )
        wanted[channels[list(indices)]] = True
    return wanted


def masked(graph: ChannelGraph, masks: Mapping[str, Tensor]) -> Tensor:
    """Want the channels whose filters a sparsifying method has masked, in every layer that makes them.

    Args:
        graph: of the network.
        masks: per parameter name, of the parameter's shape; 0 where it is masked.

    Returns:
        Shape `[channels]`.

    Raises:
        ModelError: a mask of another shape, or for a parameter that no call reads.
    """
    alive = torch.zeros(graph.channels.count, dtype=torch.bool)
    known = torch.zeros_like(alive)
    shapes = {graph.record.names[n]: graph.record.shapes[n] for n in graph.record.names}
    for name, mask in masks.items():
        if name not in shapes:
            raise ModelError(f"{name}: a mask for a parameter that no call reads")
        if tuple(mask.shape) != shapes[name]:
            raise ModelError(
                f"{name}: a mask of shape {list(mask.shape)} for a parameter of {list(shapes[name])}"
            )
    for axis in graph.writers:
        channels = graph.channels_of(axis)
        if axis.parameter in masks:
            rows = masks[axis.parameter].movedim(axis.dimension, 0).reshape(len(channels), -1)
            alive[channels[rows.ne(0).any(1)]] = True
            known[channels] = True
        else:
            alive[channels] = True
    return known & ~alive


def noise(inputs: Sequence[Tensor], count: int = 2, seed: int = 0) -> list[list[Tensor]]:
    """Make inputs of noise like the given ones; those of integers are taken as they are."""
    generator = torch.Generator().manual_seed(seed)
    return [
        [
            torch.randn(tensor.shape, generator=generator).to(tensor)
            if tensor.is_floating_point()
            else tensor
            for tensor in inputs
        ]
        for _ in range(count)
    ]


def rounded(graph: ChannelGraph, wanted: Tensor, rounding: Rounding) -> Tensor:
    """Return wanted channels that stay so that each group has a good width, shape `[channels]`.

    Raises:
        RecipeError: a latency table that says nothing of this network.
    """
    rounding.require(graph)
    stays = torch.zeros_like(wanted)
    for group in graph.groups:
        if group.pins or rounding.idle:
            continue
        going = group.channels[wanted[group.channels]]
        total = len(group.channels)
        kept = rounding.width(graph, group, max(total - len(going), 1))
        stays[going[: kept - (total - len(going))]] = True
    return stays


def _made_by_layers(graph: ChannelGraph) -> Tensor:
    """Return which channels belong to a group; rows and columns of kernels do not."""
    found = torch.zeros(graph.channels.count, dtype=torch.bool)
    for group in graph.groups:
        found[group.channels] = True
    return found


def _at_least_one(graph: ChannelGraph, removed: Tensor) -> Tensor:
    result = removed.clone()
    groups: tuple[Group, ...] = graph.groups
    for group in groups:
        if bool(result[group.channels].all()):
            result[group.channels[0]] = False
    return result


def _without(graph: ChannelGraph, network: nn.Module, live: Tensor) -> nn.Module:
    """Return the network with the weights that read these channels set to zero."""
    import copy

    if not bool(live.any()):
        return network
    result = copy.deepcopy(network)
    with torch.no_grad():
        for reading in graph.readings:
            weight = result.get_parameter(reading.axis.parameter)
            weight.movedim(reading.axis.dimension, 0)[live[graph.channels_of(reading.axis)]] = 0
    return result


def _nothing(graph: ChannelGraph, wanted: Tensor) -> str:
    free = [group for group in graph.groups if not group.pins]
    if not free:
        reasons = {why for group in graph.groups for why in group.pins}
        return (
            f"no channel can be removed: {'; '.join(sorted(reasons)) or 'no layer makes channels'}"
        )
    if not bool(wanted.any()):
        return "no filter is zero; give a sparsity or a budget, or train with a sparsifying method first"
    return (
        "nothing can go: rounding needs the channels, or dead ones are no constants where they are read;"
        " try a smaller multiple to round to"
    )
