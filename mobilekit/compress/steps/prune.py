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

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from torch import Tensor, nn

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.graph.channels import OUTPUT, ChannelGraph, Group
from mobilekit.compress.graph.prediction import Cost, predict
from mobilekit.compress.pruning import Options, Pruned, listed, prune
from mobilekit.compress.sparsity.channel_scores import Aggregate, Criterion, scores
from mobilekit.compress.sparsity.context import Scope, choose
from mobilekit.compress.sparsity.latencies import Rounding, read_table
from mobilekit.core.errors import ModelError, RecipeError

TOLERANCE = 1e-5
"""Largest residual of an exact removal, over the largest output: some hundred roundings of float32."""
_HALVINGS = 24


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much may remain, as a share of what there was."""

    macs: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    params: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None


class Prune(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step; neither `sparsity` nor `budget` removes what is dead, exactly."""

    sparsity: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    channels: dict[str, tuple[Annotated[int, msgspec.Meta(ge=0)], ...]] = {}
    """Filters that go, by the name of their layer; what is coupled with them goes too."""
    budget: Budget | None = None
    criterion: Criterion = "l2"
    aggregate: Aggregate = "mean"
    context: Scope = "local"
    round_to: Annotated[int, msgspec.Meta(ge=1)] = 8
    latency_table: str | None = None
    """File with measured latencies; layers that are in it get the widest width that costs no more."""
    latency_device: str | None = None
    """Which of the table's devices; needed where it has several."""
    epsilon: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    allow_head: bool = False

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
        rounding = self._rounding()
        context.progress("following the channels")
        pruned = prune(
            network,
            context.inputs,
            self._choice(network, context.seed, rounding),
            Options(self.epsilon, self.round_to, self.allow_head, measured=rounding.measured),
        )
        context.progress("comparing with the network")
        return pruned, self._report(network, pruned, context)

    def unmet(self, pruned: Pruned) -> tuple[str, ...]:
        """Say what was asked for and not reached: layers that are pinned or not understood."""
        found = []
        for layer in pruned.coverage.layers:
            asked = (
                layer.layer in self.channels
                or int((self.sparsity or 0) * layer.before)
                or self.budget is not None
            )
            if asked and layer.state in {"pinned", "unsupported"} and layer.reason != OUTPUT:
                found.append(f"{layer.layer}: {layer.state}: {layer.reason}")
        if pruned.refused:
            found.append(f"{pruned.refused} dead channels stay: no constants where they are read")
        return tuple(found)

    def _rounding(self) -> Rounding:
        if self.latency_table is None:
            if self.latency_device is not None:
                raise RecipeError(
                    "prune: latency_device is one of a latency table's; give latency_table too"
                )
            return Rounding(self.round_to)
        return Rounding(self.round_to, read_table(Path(self.latency_table), self.latency_device))

    def _choice(
        self, network: nn.Module, seed: int, rounding: Rounding
    ) -> Callable[[ChannelGraph], Tensor] | None:
        if self.channels:
            return lambda graph: listed(graph, self.channels)
        if self.sparsity is not None:
            share = self.sparsity
            return lambda graph: self._wanted(graph, network, seed, share)
        if self.budget is not None:
            return lambda graph: self._within(graph, network, seed, rounding)
        return None

    def _wanted(
        self, graph: ChannelGraph, network: nn.Module, seed: int, sparsity: float
    ) -> Tensor:
        wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
        free = [group for group in graph.groups if not group.pins]
        masks = choose(self._scores(graph, network, free, seed), sparsity, self.context)
        for group, mask in zip(free, masks, strict=True):
            wanted[group.channels[mask]] = True
        return wanted

    def _scores(
        self, graph: ChannelGraph, network: nn.Module, groups: list[Group], seed: int
    ) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [
            scores(graph, network, group, self.criterion, self.aggregate, generator)
            for group in groups
        ]

    def _within(
        self, graph: ChannelGraph, network: nn.Module, seed: int, rounding: Rounding
    ) -> Tensor:
        """Find the least sparsity that meets the budget, by halving."""
        from mobilekit.compress.pruning import rounded

        budget = self.budget or Budget()
        whole = predict(graph, network, torch.zeros(graph.channels.count, dtype=torch.bool))

        def tried(sparsity: float) -> tuple[Tensor, Cost]:
            wanted = self._wanted(graph, network, seed, sparsity)
            wanted = wanted & ~rounded(graph, wanted, rounding)
            return wanted, predict(graph, network, wanted)

        most, cost = tried(1.0)
        if not _meets(cost, whole, budget):
            raise RecipeError(
                f"prune: the budget cannot be met; the least that can remain is"
                f" macs={cost.macs / max(whole.macs, 1):.3f}, params={cost.params / whole.params:.3f}"
            )
        low, high, best = 0.0, 1.0, most
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            wanted, cost = tried(middle)
            if _meets(cost, whole, budget):
                high, best = middle, wanted
            else:
                low = middle
        return best

    def _report(self, network: nn.Module, pruned: Pruned, context: Context) -> StepReport:
        notes = [f"{pruned.coverage.removed} filters removed"]
        if pruned.carriers:
            notes.append(f"{pruned.carriers} dead channels stay to carry constants")
        if pruned.rewritten:
            places = ", ".join(dict.fromkeys(pruned.rewritten))
            notes.append(f"numbers in the code rewritten in a traced graph: {places}")
        if pruned.refused:
            notes.append(f"{pruned.refused} dead channels stay: no constants where they are read")
        error = None
        if pruned.comparable:
            samples, two = resolutions(network, context.inputs, context.seed)
            samples += [list(sample) for sample in context.calibration]
            error = residual(pruned.reference(), pruned.network, samples)
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


def _meets(cost: Cost, whole: Cost, budget: Budget) -> bool:
    return (budget.macs is None or cost.macs <= budget.macs * whole.macs) and (
        budget.params is None or cost.params <= budget.params * whole.params
    )


def _coarseness(network: nn.Module) -> float:
    """Return how much coarser than float32 the network's type rounds."""
    kinds = {p.dtype for p in network.parameters() if p.is_floating_point()}
    return max(
        (torch.finfo(kind).eps / torch.finfo(torch.float32).eps for kind in kinds), default=1
    )
