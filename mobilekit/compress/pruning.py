"""Physical pruning, whole: choose channels, move constants, cut, prove.

The pure functions behind the step `prune`. Three ways to say what goes: what is dead already (exact),
a share or a budget with a criterion, or channels by name.
"""

import contextlib
import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.coverage import coverage
from mobilekit.compress.graph.exact import Removal
from mobilekit.compress.graph.liveness import has_mute_norms, silenced
from mobilekit.compress.graph.prediction import Cost
from mobilekit.compress.graph.rewriting import editable, repair
from mobilekit.compress.graph.stored import stored
from mobilekit.compress.graph.surgery import IndexMap, cut, index_map, misfit
from mobilekit.compress.trial import Options, Outcome, Trial
from mobilekit.core.errors import ModelError, NoEffectError, suggestion
from mobilekit.core.reports import Coverage

Choice = Callable[[ChannelGraph], Tensor]
"""Says which channels are wanted gone, shape `[channels]`; asked again when the graph has learnt more."""
Search = Callable[[Trial], Tensor]
"""The same, after trying what would become of the network."""


@dataclass(frozen=True)
class Pruned:
    """A smaller network, and how it came about."""

    network: nn.Module
    coverage: Coverage
    kept: IndexMap
    """Per parameter and dimension that was cut: the old index of each new one."""
    biases: Mapping[str, Axis]
    """Biases that took constants and did not exist before."""
    kept_inputs: Mapping[int, Tensor]
    """Which channels of each input, by its position, are still fed: indices, shape `[n]`."""
    carriers: int
    """Dead channels that stay to carry the constants of others."""
    refused: int
    """Dead channels that stay because they are no constant where they are read."""
    rounded: int
    """Wanted channels that stay because rounding needs them."""
    trial: Trial
    """The network that was cut, and its channels."""
    outcome: Outcome
    """Which channels went, and why others stay."""
    reference: Callable[[], nn.Module]
    """Makes the network as large as before that the smaller one must equal."""
    rewritten: tuple[str, ...]
    """Calls whose numbers were rewritten; the network is then an `fx.GraphModule`."""
    comparable: bool
    """Whether it must: False where live channels went under a normalization over channels."""

    @property
    def cost(self) -> Cost:
        """What the network costs now; `trial.whole` is what it cost."""
        return self.trial.cost(self.outcome)

    def fed(self, sample: Sequence[Tensor]) -> list[Tensor]:
        """Return what the smaller network takes of a sample for the larger one."""
        return fed(sample, self.kept_inputs)


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
    if choice is None:
        exactly = replace(options or Options(), exact=True)
        return prune_by_search(network, inputs, lambda trial: trial.dead, exactly)
    chosen = choice
    return prune_by_search(network, inputs, lambda trial: chosen(trial.graph), options)


def prune_by_search(
    network: nn.Module,
    inputs: Sequence[Tensor],
    search: Search,
    options: Options | None = None,
) -> Pruned:
    """Remove channels that are chosen after trying, such as for a budget; else like `prune`."""
    options = options or Options()
    check_finite(network)
    task = _Task(network, inputs, search, options)
    graph = task.graph(network)
    attempt = task.attempt(graph, network)
    rewritten: tuple[str, ...] = ()
    if (
        options.check
        and misfit(graph, attempt.smaller, inputs, attempt.outcome.removed) is not None
    ):
        attempt, rewritten = _mended(task, graph)
    graph, outcome, trial = attempt.trial.graph, attempt.outcome, attempt.trial
    live = outcome.removed & ~outcome.exact.removed
    return Pruned(
        network=attempt.smaller,
        coverage=coverage(graph, network, outcome.removed),
        kept=attempt.kept,
        biases=attempt.made.biases,
        kept_inputs=attempt.kept_inputs,
        carriers=int(outcome.exact.carriers.sum()),
        refused=int(outcome.refused.sum()),
        rounded=int(outcome.rounded.sum()),
        trial=trial,
        outcome=outcome,
        reference=lambda: _without(graph, network, live),
        rewritten=rewritten,
        comparable=not bool(live[graph.inexact_channels].any()),
    )


@dataclass(frozen=True)
class _Attempt:
    """One cut, not yet known to fit."""

    trial: Trial
    outcome: Outcome
    made: Removal
    kept: IndexMap
    kept_inputs: Mapping[int, Tensor]
    smaller: nn.Module

    def misfit(self, inputs: Sequence[Tensor]) -> int | None:
        """Return the first call that the cut network gets wrong; inputs are those of the whole."""
        samples = fed(inputs, self.kept_inputs)
        return misfit(self.trial.graph, self.smaller, samples, self.outcome.removed)


@dataclass(frozen=True)
class _Task:
    """What a pruning is about, whatever graph it is tried on."""

    network: nn.Module
    inputs: Sequence[Tensor]
    search: Search
    options: Options

    def graph(self, subject: nn.Module) -> ChannelGraph:
        """Follow the channels of a network."""
        return ChannelGraph(
            subject,
            self.inputs,
            allow_head=self.options.allow_head,
            free_inputs=self.options.free_inputs,
            heads=self.options.heads,
        )

    def attempt(self, graph: ChannelGraph, subject: nn.Module) -> _Attempt:
        """Choose, move constants and cut.

        Raises:
            NoEffectError: nothing can go.
        """
        if self.options.exact or has_mute_norms(subject):
            subject = silenced(graph, subject)
        trial = Trial(graph, subject, noise(self.inputs), self.options)
        outcome = trial.outcome(self.search(trial))
        made = trial.moved(outcome)
        kept = index_map(graph, outcome.removed, made.biases)
        kept_inputs = {
            position: stays.nonzero().reshape(-1)
            for position, axis in graph.inputs.items()
            if not bool((stays := ~outcome.removed[graph.channels_of(axis)]).all())
        }
        if not kept:
            raise NoEffectError(_nothing(trial, outcome, exact=self.options.exact))
        return _Attempt(trial, outcome, made, kept, kept_inputs, cut(made.network, kept))


def _mended(task: _Task, graph: ChannelGraph) -> tuple[_Attempt, tuple[str, ...]]:
    """Prune a network with numbers in its code: in a traced graph if that goes, else around them."""
    traced = editable(task.network)
    if traced is not None:
        with contextlib.suppress(ModelError, NoEffectError):
            return _settled(task, traced, task.graph(traced))
    return _settled(task, task.network, graph)


def _settled(
    task: _Task, subject: nn.Module, graph: ChannelGraph
) -> tuple[_Attempt, tuple[str, ...]]:
    """Cut, and yield to the first call that is wrong, until none is."""
    while True:
        attempt = task.attempt(graph, subject)
        wrong, rewritten = _proven(attempt, task.inputs)
        if wrong is None:
            return attempt, rewritten
        graph.yield_to(wrong)


def _proven(attempt: _Attempt, inputs: Sequence[Tensor]) -> tuple[int | None, tuple[str, ...]]:
    """Find the first call that a cut network gets wrong, mending what can be mended on the way."""
    graph, removed = attempt.trial.graph, attempt.outcome.removed
    rewritten: list[str] = []
    last = -1
    while True:
        wrong = attempt.misfit(inputs)
        if wrong is None or wrong <= last:
            return wrong, tuple(rewritten)
        if not repair(graph, attempt.smaller, wrong, removed):
            return wrong, tuple(rewritten)
        call = graph.record.calls[wrong]
        rewritten.append(f"{call.name} at {call.source or call.node}")
        last = wrong


def fed(sample: Sequence[Tensor], kept: Mapping[int, Tensor]) -> list[Tensor]:
    """Choose the channels (second dimension) of a sample's inputs that are kept, by position."""
    return [
        tensor.index_select(1, kept[position].to(tensor.device)) if position in kept else tensor
        for position, tensor in enumerate(sample)
    ]


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


def _without(graph: ChannelGraph, network: nn.Module, live: Tensor) -> nn.Module:
    """Return the network with the weights that read these channels set to zero."""
    if not bool(live.any()):
        return network
    result = copy.deepcopy(network)
    with torch.no_grad():
        for reading in graph.readings:
            weight = stored(result, reading.axis.parameter)
            weight.movedim(reading.axis.dimension, 0)[live[graph.channels_of(reading.axis)]] = 0
    return result


def _nothing(trial: Trial, outcome: Outcome, *, exact: bool) -> str:
    groups = trial.graph.groups
    if all(group.pins for group in groups):
        reasons = {why for group in groups for why in group.pins}
        return (
            f"no channel can be removed: {'; '.join(sorted(reasons)) or 'no layer makes channels'}"
        )
    if bool(outcome.rounded.any()):
        return (
            f"nothing goes: rounding keeps all {int(outcome.rounded.sum())} channels that would go; ask"
            " for more, or round to a smaller multiple"
        )
    if bool(outcome.refused.any()):
        return (
            f"nothing can go: {int(outcome.refused.sum())} dead channels are no constants where they are"
            " read"
        )
    if exact:
        return "no filter is zero; give a sparsity or a budget, or train with a sparsifying method first"
    return "what is asked for is less than one channel, or all of it is pinned; ask for more"
