"""Make groups of weights small by their norms, down to exactly zero where asked.

What it does:
    Adds λ · Σ_g ‖W_g‖₂ over groups of a granularity to the loss (group lasso), its gradient in closed
    form; or, with `proximal`, shrinks each group after the optimizer's step by λ · that step's learning
    rate, which makes small groups exactly zero. With `coupled`, a group is a channel with all the filters
    that make it: both sides of a residual sum, found by the channel graph.

When to use it:
    To make filters, kernels or rows vanish where the sparsity is not known beforehand: λ steers it.

When not:
    When a sparsity is asked for (`sparsify`). With filters that a norm right behind them scales back.

Source:
    Yuan and Lin 2006 (group lasso); Parikh and Boyd 2014, section 6.5.1 (the proximal step). `mean` is
    equation 4.1 of Hubens' thesis: λ · Σ_g mean |w|, plain l1 in fact.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilekit.compress.base import Context, Handle
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.regularization import coupled as channels
from mobilekit.compress.regularization import group_penalty as norms
from mobilekit.compress.regularization.coupled import Member
from mobilekit.compress.regularization.group_penalty import Form
from mobilekit.compress.sparsity.granularity import (
    GranularityName,
    granularity,
    groups_of,
)
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.records import filter_records, zero_records
from mobilekit.core.errors import NoEffectError, RecipeError


class GroupPenalty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    strength: Annotated[float, Meta(ge=0)] = 1e-4
    """λ."""
    granularity: GranularityName = "filter"
    """Which weights make a group: `filter`, `kernel`, `row`, `head`, ..."""
    form: Form = "norm"
    """‖W_g‖₂; `weighted`: times √p, for p weights of a group; `mean`: mean |w|."""
    proximal: bool = False
    """Shrink after the optimizer's step instead of adding a gradient before it."""
    coupled: bool = False
    """Groups are channels, with all the filters that make them; granularity is then `filter`."""
    layers: tuple[str, ...] = ()
    """Patterns of names; all layers of the kinds that have the granularity without them."""
    without: tuple[str, ...] = ()
    """Patterns of names of layers that are left alone."""

    def __post_init__(self) -> None:
        granularity(self.granularity)

    def start(self, network: nn.Module, context: Context) -> Handle:
        """Begin to act on a network.

        Raises:
            NoEffectError: λ is 0, or no layer is meant.
            RecipeError: options that do not go together, or a pattern that matches no layer.
            ModelError: a layer without the granularity, or a network that cannot be traced.
        """
        if self.strength == 0:
            raise NoEffectError("group_penalty: a strength of 0 changes nothing")
        config = norms.GroupPenalty(self.strength, self.form)
        if not self.coupled:
            groups = groups_of(network, self.granularity, self.layers, self.without)
            return Shrinking(groups, config, proximal=self.proximal)
        if self.granularity != "filter" or self.layers or self.without:
            raise RecipeError(
                "group_penalty: coupled groups are channels; granularity is filter, and layers and without"
                " are left out"
            )
        if not context.inputs:
            raise RecipeError("group_penalty: coupled groups need example inputs of the network")
        members = channels.members_of(ChannelGraph(network, context.inputs), network)
        if not members:
            raise NoEffectError("group_penalty: the network has no channels that could go")
        return ShrinkingChannels(members, config, proximal=self.proximal)


def _rate(optimizer: Optimizer | None, weight: Tensor) -> float:
    """Return the learning rate of a weight."""
    if optimizer is None:
        raise RecipeError(
            "group_penalty: a proximal step needs the optimizer, for its learning rate"
        )
    for group in optimizer.param_groups:
        if any(each is weight for each in group["params"]):
            return float(group["lr"])
    raise RecipeError("group_penalty: the optimizer does not have the weights that shall shrink")


class Shrinking(Handle):
    """Groups of single layers."""

    def __init__(
        self, groups: Sequence[Grouped], config: norms.GroupPenalty, *, proximal: bool
    ) -> None:
        self._groups, self._config, self._proximal = groups, config, proximal
        self._value = torch.zeros(())
        self._rate: float | None = None

    def before_step(self, optimizer: Optimizer) -> None:
        """Note the rate of the step."""
        if self._proximal:
            self._rate = _rate(optimizer, self._groups[0].weight)

    def after_backward(self) -> None:
        """Add the gradient."""
        if not self._proximal:
            self._value = norms.add_gradient(self._groups, self._config)

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Shrink."""
        del progress
        if not self._proximal:
            return
        rate = _rate(optimizer, self._groups[0].weight) if self._rate is None else self._rate
        self._rate = None
        norms.shrink(self._groups, self._config, rate)

    def finish(self) -> tuple[str, ...]:
        """Say how many groups are zero."""
        zero = self._zero()
        total = sum(group.count for group in self._groups)
        return (f"group_penalty: {zero:,} of {total:,} groups are zero",)

    def figures(self) -> dict[str, float]:
        """Return the term and how many groups are zero."""
        with torch.no_grad():
            value = norms.penalty(self._groups, self._config) if self._proximal else self._value
        return {"penalty": float(value), "zero_groups": float(self._zero())}

    def records(self) -> dict[str, Tensor]:
        """Return how many groups are zero, and of filters their mean |W|."""
        dead = [norms.group_norms(each).eq(0).reshape(-1) for each in self._groups]
        return filter_records(self._groups) | zero_records(self._groups, dead)

    @torch.no_grad()
    def _zero(self) -> int:
        return sum(int(norms.group_norms(each).eq(0).count_nonzero()) for each in self._groups)


class ShrinkingChannels(Handle):
    """Groups over several layers."""

    def __init__(
        self, members: Sequence[Member], config: norms.GroupPenalty, *, proximal: bool
    ) -> None:
        self._members, self._config, self._proximal = members, config, proximal
        self._rate: float | None = None

    def settle(self) -> None:
        """Take the numbers of the channels to the weights."""
        self._members = [
            replace(each, channels=each.channels.to(each.weight.device)) for each in self._members
        ]

    def after_backward(self) -> None:
        """Add the gradient."""
        if not self._proximal:
            channels.add_gradient(self._members, self._config)

    def before_step(self, optimizer: Optimizer) -> None:
        """Note the rate of the step."""
        if self._proximal:
            self._rate = _rate(optimizer, self._members[0].weight)

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Shrink."""
        del progress
        if not self._proximal:
            return
        rate = _rate(optimizer, self._members[0].weight) if self._rate is None else self._rate
        self._rate = None
        channels.shrink(self._members, self._config, rate)

    def finish(self) -> tuple[str, ...]:
        """Say how many channels are zero."""
        zero, total = self._zero()
        return (f"group_penalty: {zero:,} of {total:,} channels are zero",)

    def figures(self) -> dict[str, float]:
        """Return the term and how many channels are zero."""
        with torch.no_grad():
            value = channels.penalty(self._members, self._config)
        return {"penalty": float(value), "zero_groups": float(self._zero()[0])}

    @torch.no_grad()
    def _zero(self) -> tuple[int, int]:
        found = channels.coupled_norms(self._members)
        return int(found.eq(0).count_nonzero()), len(found)
