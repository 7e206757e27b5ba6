"""The parts of a network that are made sparse by themselves: its layers, or coupled groups of channels."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph, Group
from mobilekit.compress.graph.stored import stored
from mobilekit.compress.sensitivity.sweep import Sweep
from mobilekit.compress.sparsity.axes import Axes, sparsifier
from mobilekit.compress.sparsity.channel_scores import Criterion, GroupCriterion, scores
from mobilekit.compress.sparsity.comparisons import Comparison
from mobilekit.compress.sparsity.context import lowest
from mobilekit.compress.sparsity.criteria import criterion
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.layers import matching
from mobilekit.compress.sparsity.selection import count_of
from mobilekit.compress.sparsity.sparsifier import Sparsifier
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError, suggestion


@dataclass(frozen=True, eq=False)
class Part:
    """What is made sparse by itself."""

    name: str
    count: int
    """Groups of weights, or channels."""
    layers: tuple[str, ...]
    """Layers whose weights are zeroed."""
    weights: tuple[Tensor, ...]
    """What is written to."""
    zero: Callable[[float], int]
    """Zeroes the lowest share, 0–1, of the untouched weights in place; returns how many that is."""


def parts_of(
    network: nn.Module, inputs: Sequence[Tensor], sweep: Sweep
) -> tuple[list[Part], tuple[str, ...]]:
    """Find the parts of a network, in the order of its layers.

    Args:
        network: whose weights are meant; nothing is zero yet.
        inputs: examples of its positional inputs.
        sweep: which parts.

    Returns:
        The parts, and notes on what is left alone.

    Raises:
        RecipeError: a pattern that matches no layer, or an unknown criterion.
        ModelError: a layer that does not have the granularity, or a network that cannot be followed.
        NoEffectError: no part, or none of which a sparsity takes anything away.
    """
    found, notes = (_layers if sweep.by == "layer" else _groups)(network, inputs, sweep)
    if not any(count_of(max(sweep.sparsities), part.count) for part in found):
        raise NoEffectError(
            f"sensitivity: a sparsity of {max(sweep.sparsities):g} takes nothing away from any"
            f" {sweep.by}; the largest has {max(part.count for part in found)} groups"
        )
    return found, notes


def _layers(
    network: nn.Module, inputs: Sequence[Tensor], sweep: Sweep
) -> tuple[list[Part], tuple[str, ...]]:
    if criterion(sweep.criterion).needs == "reference":
        raise RecipeError(
            f"sensitivity: {sweep.criterion} compares weights with what they were before a training;"
            " take large_final"
        )
    axes = Axes(
        max(sweep.sparsities),
        sweep.granularity,
        criterion=sweep.criterion,
        layers=sweep.layers,
        without=sweep.without,
    )
    made, notes = sparsifier(network, axes, inputs, sweep.seed)
    by_layer: dict[str, list[Grouped]] = {}
    for one in made.groups:  # an attention has several weights
        by_layer.setdefault(one.layer, []).append(one)
    found = [
        Part(
            name,
            sum(one.count for one in groups),
            (name,),
            tuple(one.weight for one in groups),
            partial(_zero_layer, made, groups),
        )
        for name, groups in by_layer.items()
    ]
    return found, notes


def _zero_layer(made: Sparsifier, groups: Sequence[Grouped], sparsity: float) -> int:
    comparison = Comparison(tuple(range(len(groups))), sparsity, (1.0,) * len(groups))
    one = Sparsifier(groups, [comparison], made.criterion, made.seed, made.least, made.scales)
    one.update(1.0)
    return one.count[0]


def _groups(
    network: nn.Module, inputs: Sequence[Tensor], sweep: Sweep
) -> tuple[list[Part], tuple[str, ...]]:
    kinds = get_args(Criterion)
    if sweep.criterion not in kinds:
        raise RecipeError(
            f"sensitivity: {sweep.criterion!r} does not score coupled channels; there are"
            f" {', '.join(kinds)}.{suggestion(sweep.criterion, kinds)}"
        )
    graph = ChannelGraph(network, inputs)
    chosen = _chosen(graph, sweep)
    free = [group for group in chosen if not group.pins]
    notes = {f"{group.name}: {group.pins[0]}; left alone": None for group in chosen if group.pins}
    if not free:
        why = f": {next(iter(notes))}" if notes else "; it has no layer that makes channels"
        raise NoEffectError(f"sensitivity: the network has no channels that can go{why}")
    generator = torch.Generator().manual_seed(sweep.seed)
    by = GroupCriterion(sweep.criterion)  # type: ignore[arg-type]  # looked up above
    found, names = [], Counter[str]()
    for group in free:
        names[group.name] += 1
        number = f" ({names[group.name]})" if names[group.name] > 1 else ""
        values = scores(graph, network, group, by, generator)
        if bool(values.isnan().any()):
            raise ModelError(f"{group.name}: a weight is NaN, so its channels cannot be compared")
        weights = [stored(network, axis.parameter) for axis in group.writers]
        found.append(
            Part(
                group.name + number,
                len(group.channels),
                tuple(_layer(axis) for axis in group.writers),
                tuple(weights),
                partial(_zero_group, graph, group, weights, values),
            )
        )
    return found, tuple(notes)


def _chosen(graph: ChannelGraph, sweep: Sweep) -> list[Group]:
    """Return the groups of which a layer is meant, but for those of which one is to be left alone."""
    layers = {_layer(axis): None for group in graph.groups for axis in group.writers}
    wanted = matching(layers, sweep.layers, "sensitivity") if sweep.layers else set(layers)
    unwanted = matching(layers, sweep.without, "sensitivity")
    return [
        group
        for group in graph.groups
        if (names := {_layer(axis) for axis in group.writers}) & wanted and not names & unwanted
    ]


def _layer(axis: Axis) -> str:
    """Return the path of the layer that a weight belongs to, parametrized or not."""
    return axis.parameter.partition(".parametrizations.")[0].removesuffix(
        f".{axis.parameter.rpartition('.')[2]}"
    )


def _zero_group(
    graph: ChannelGraph, group: Group, weights: Sequence[Tensor], values: Tensor, sparsity: float
) -> int:
    """Zero, in each weight that makes the channels, what makes the lowest of them."""
    count = min(count_of(sparsity, len(values)), len(values) - 1)
    gone = group.channels[lowest(values, count)]
    with torch.no_grad():
        for axis, weight in zip(group.writers, weights, strict=True):
            indices = torch.isin(graph.channels_of(axis), gone).nonzero().squeeze(1)
            weight.index_fill_(axis.dimension, indices.to(weight.device), 0)
    return count
