"""Physically remove channels: the dead ones exactly, or a share by a criterion.

What it does:
    Follows the channels of the network, chooses which go, moves the constants of dead ones into
    biases or one carrier channel per layer, and returns the same class with smaller weights.

When to use it:
    Without options after any method that makes filters zero: the function stays what it was. With
    `sparsity` or `budget` to make a network smaller and train it on.

When not:
    On weights whose zeros are scattered: only whole filters can go.

Source:
    Criteria: Li et al. 2017 (magnitude), Liu et al. 2017 (batch-norm scale). Coupled channels: Fang et
    al. 2023. Where a dead channel's constant goes (bias or carrier) is our own.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from torch import Tensor, nn

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.checking import enlarged, residual, resolutions, single_values
from mobilekit.compress.graph.channels import OUTPUT, ChannelGraph, Group
from mobilekit.compress.graph.prediction import Cost
from mobilekit.compress.pruning import Pruned, listed, prune_by_search
from mobilekit.compress.sparsity.channel_scores import (
    Aggregate,
    Criterion,
    GroupCriterion,
    scores,
)
from mobilekit.compress.sparsity.context import Scope, choose
from mobilekit.compress.sparsity.latencies import Measured, read_table
from mobilekit.compress.trial import Options, Trial
from mobilekit.core.errors import ModelError, RecipeError
from mobilekit.core.reports import KeptInput

TOLERANCE = 1e-5
"""Largest residual of an exact removal, over the largest output: some hundred roundings of float32."""
_HALVINGS = 24


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much may remain, as a share of what there was."""

    macs: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    params: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None

    def met(self, cost: Cost, whole: Cost) -> bool:
        """Whether no more than that remains."""
        return (self.macs is None or cost.macs <= self.macs * whole.macs) and (
            self.params is None or cost.params <= self.params * whole.params
        )


class Prune(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step; neither `sparsity` nor `budget` removes what is dead, exactly."""

    sparsity: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    channels: dict[str, tuple[Annotated[int, msgspec.Meta(ge=0)], ...]] = {}
    """Filters that go, by the name of their layer; what is coupled with them goes too."""
    budget: Budget | None = None
    criterion: Criterion = "l2"
    aggregate: Aggregate = "mean"
    normalized: bool = False
    """Divide each layer's scores by their mean before they are aggregated over a group."""
    context: Scope = "local"
    round_to: Annotated[int, msgspec.Meta(ge=1)] = 8
    latency_table: str | None = None
    """File with measured latencies; layers that are in it get the widest width that costs no more."""
    latency_device: str | None = None
    """Which of the table's devices; needed where it has several."""
    epsilon: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    allow_head: bool = False
    heads: bool = False
    """Let whole heads of multi-head attention go, and not parts of each."""
    prune_inputs: bool = False
    """Let channels of the inputs go too, or single values where the network flattens its input first."""

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the smaller network and what was done."""
        pruned, report = self.carry_out(network, context)
        return pruned.network, report

    def carry_out(self, network: nn.Module, context: Context) -> tuple[Pruned, StepReport]:
        """Prune, and compare the result with the network.

        Raises:
            RecipeError: a budget that cannot be met (the nearest is named), or options at odds.
            ModelError: a network that cannot be traced, or a residual beyond the tolerance.
            NoEffectError: nothing can go.
        """
        if (self.sparsity is not None) + (self.budget is not None) + bool(self.channels) > 1:
            raise RecipeError("prune: give a sparsity, a budget or channels, not several of them")
        wishes = _Wishes(self, network, context.seed)
        context.progress("following the channels")
        inputs, flat = context.inputs, False
        if self.prune_inputs:
            inputs, flat = single_values(network, context.inputs)
        pruned = prune_by_search(
            network,
            inputs,
            wishes.search,
            Options(
                epsilon=self.epsilon,
                round_to=self.round_to,
                allow_head=self.allow_head,
                free_inputs=self.prune_inputs,
                heads=self.heads,
                measured=self._measured(),
                importance=None if self.channels else wishes.importance,
                exact=self.only_dead,
            ),
        )
        context.progress("comparing with the network")
        if flat:
            shown = tuple(tuple(t.flatten(1) for t in sample) for sample in context.calibration)
            context = replace(context, calibration=shown)
        report = self._report(network, pruned, replace(context, inputs=inputs))
        kept = tuple(
            KeptInput(position, tuple(indices.tolist()), flat)
            for position, indices in pruned.kept_inputs.items()
        )
        return pruned, msgspec.structs.replace(report, kept_inputs=kept)

    @property
    def only_dead(self) -> bool:
        """Whether nothing is asked for but what is dead."""
        return self.sparsity is None and self.budget is None and not self.channels

    def unmet(self, pruned: Pruned) -> tuple[str, ...]:
        """Say what was asked for and not reached: layers that are pinned or not understood."""
        found = []
        for layer in pruned.coverage.layers:
            asked = layer.layer in self.channels or int((self.sparsity or 0) * layer.before)
            if asked and layer.state in {"pinned", "unsupported"} and layer.reason != OUTPUT:
                found.append(f"{layer.layer}: {layer.state}: {layer.reason}")
        if pruned.refused:
            found.append(f"{pruned.refused} dead channels stay: no constants where they are read")
        if self.budget is not None and not self.budget.met(pruned.cost, pruned.trial.whole):
            found.append(
                f"the budget is not met: {_shares(pruned.cost, pruned.trial.whole)} remain"
            )
        return tuple(found)

    def _measured(self) -> Measured | None:
        if self.latency_table is not None:
            return read_table(Path(self.latency_table), self.latency_device)
        if self.latency_device is not None:
            raise RecipeError(
                "prune: latency_device is one of a latency table's; give latency_table too"
            )
        return None

    def _report(self, network: nn.Module, pruned: Pruned, context: Context) -> StepReport:
        error, notes = None, _notes(pruned)
        if pruned.comparable:
            samples, two = resolutions(network, context.inputs, context.seed)
            shown = context.calibration[:1]
            samples += enlarged(shown) if two else shown
            error = residual(pruned.reference(), pruned.network, samples, pruned.fed)
            if not two:
                notes.append("checked at one resolution: the network takes no other")
            allowed = TOLERANCE * _coarseness(network)
            if not error <= allowed and not self.epsilon:
                raise ModelError(
                    f"prune: the self-check failed: a residual of {error:.2e} of the largest output,"
                    f" allowed {allowed:.0e}"
                )
        else:
            notes.append("not compared: channels under a normalization over channels went")
        return StepReport(
            "prune",
            count_parameters(network),
            count_parameters(pruned.network),
            error,
            tuple(notes),
        )


@dataclass(frozen=True)
class _Wishes:
    """What the options want gone of a network."""

    options: Prune
    network: nn.Module
    seed: int

    def search(self, trial: Trial) -> Tensor:
        """Return what is wanted gone, shape `[channels]`.

        Raises:
            RecipeError: a budget that cannot be met.
        """
        if self.options.channels:
            return listed(trial.graph, self.options.channels)
        if self.options.sparsity is not None:
            return self._least(trial.graph, self._scores(trial.graph), self.options.sparsity)
        if self.options.budget is not None:
            return self._within(trial, self.options.budget)
        return trial.dead

    def importance(self, graph: ChannelGraph) -> Tensor:
        """Return how much each channel that can go matters, shape `[channels]`."""
        found = torch.zeros(graph.channels.count, dtype=torch.float64)
        for group, values in zip(_free(graph), self._scores(graph), strict=True):
            found[group.channels] = values
        return found

    def _scores(self, graph: ChannelGraph) -> list[Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        return [
            scores(graph, self.network, group, self._criterion, generator) for group in _free(graph)
        ]

    @property
    def _criterion(self) -> GroupCriterion:
        options = self.options
        return GroupCriterion(options.criterion, options.aggregate, normalized=options.normalized)

    def _least(self, graph: ChannelGraph, values: list[Tensor], sparsity: float) -> Tensor:
        """Want the least important share gone, shape `[channels]`."""
        wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
        masks = choose(values, sparsity, self.options.context)
        for group, mask in zip(_free(graph), masks, strict=True):
            wanted[group.channels[mask]] = True
        return wanted

    def _within(self, trial: Trial, budget: Budget) -> Tensor:
        """Find the least sparsity that meets the budget, by halving; shape `[channels]`."""
        values = self._scores(trial.graph)

        def tried(sparsity: float) -> tuple[Tensor, Cost]:
            wanted = self._least(trial.graph, values, sparsity)
            return wanted, trial.cost(trial.outcome(wanted))

        best, cost = tried(1.0)
        if not budget.met(cost, trial.whole):
            rounding = self.options.round_to > 1 or self.options.latency_table is not None
            hint = (
                "; rounding keeps more than that: round to a smaller multiple" if rounding else ""
            )
            raise RecipeError(
                f"prune: the budget cannot be met; the least that can remain is"
                f" {_shares(cost, trial.whole)}{hint}"
            )
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            wanted, cost = tried(middle)
            if budget.met(cost, trial.whole):
                high, best = middle, wanted
            else:
                low = middle
        return best


def _free(graph: ChannelGraph) -> list[Group]:
    return [group for group in (*graph.groups, *graph.input_groups) if not group.pins]


def _notes(pruned: Pruned) -> list[str]:
    """Say what a person should know of a pruning."""
    notes = [
        f"{pruned.coverage.removed} channels removed; {_shares(pruned.cost, pruned.trial.whole)} remain"
    ]
    for position, indices in pruned.kept_inputs.items():
        notes.append(f"input {position} keeps {len(indices)} of its channels")
    if pruned.rounded:
        notes.append(f"{pruned.rounded} channels stay to round the widths")
    if pruned.carriers:
        notes.append(f"{pruned.carriers} dead channels stay to carry constants")
    if pruned.rewritten:
        places = ", ".join(dict.fromkeys(pruned.rewritten))
        notes.append(f"numbers in the code rewritten in a traced graph: {places}")
    if pruned.refused:
        notes.append(f"{pruned.refused} dead channels stay: no constants where they are read")
    return notes


def _shares(cost: Cost, whole: Cost) -> str:
    return f"macs={cost.macs / max(whole.macs, 1):.3f}, params={cost.params / max(whole.params, 1):.3f}"


def _coarseness(network: nn.Module) -> float:
    """Return how much coarser than float32 the network's type rounds."""
    kinds = {p.dtype for p in network.parameters() if p.is_floating_point()}
    return max(
        (torch.finfo(kind).eps / torch.finfo(torch.float32).eps for kind in kinds), default=1
    )
