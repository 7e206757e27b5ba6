"""The four axes together: how, where, what (and, with a schedule, when) weights of a network vanish."""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.sparsity.clustering import Clusters
from mobilekit.compress.sparsity.comparisons import (
    CONTEXTS,
    COSTS,
    Comparison,
    Context,
    Cost,
    comparisons,
)
from mobilekit.compress.sparsity.criteria import criterion
from mobilekit.compress.sparsity.granularity import granularity, groups_of
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.latencies import read_table
from mobilekit.compress.sparsity.layer_times import layer_times
from mobilekit.compress.sparsity.roles import batch_norm_scales, heads
from mobilekit.compress.sparsity.sparsifier import Sparsifier
from mobilekit.compress.sparsity.work import work_of
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError, suggestion

OUTPUTS_WHOLE = ("filter", "row", "layer")
"""Granularities that take away whole outputs of a layer."""


@dataclass(frozen=True)
class Axes:
    """What a sparsification is, but for its schedule."""

    sparsity: float = 0.5
    """Share of the groups of each comparison that go, 0–1, 1 excluded."""
    granularity: str = "weight"
    context: Context = "local"
    criterion: str = "large_final"
    layers: Collection[str] = ()
    """Patterns of names; all layers of the kinds that have the granularity without them."""
    without: Collection[str] = ()
    """Patterns of names of layers that are left alone."""
    cost: Cost = "none"
    """What scores are divided by: nothing, the weights of a group, its multiplications, or its latency."""
    least: int = 1
    """Groups that stay in each layer, at least; none where single weights go, or whole layers."""
    clusters: int = 0
    """k: filters compete within k clusters of each layer (`clustered`); 0 for no clusters."""
    latency_table: str | None = None
    """File with measured latencies, of cost `latency`; it must hold every layer that is meant."""
    latency_device: str | None = None
    """Which of the table's devices; needed where it has several."""


def check_names(
    of_granularity: str, of_criterion: str, context: Context | str, more: Collection[str] = ()
) -> None:
    """Make sure that there are such axes, before there is a network.

    Args:
        of_granularity: name.
        of_criterion: name.
        context: name, or sparsities by pattern.
        more: further names of contexts that are known.

    Raises:
        RecipeError: there is none of a name, or a sparsity out of range.
    """
    granularity(of_granularity)
    criterion(of_criterion)
    if isinstance(context, Mapping):
        if not context:
            raise RecipeError("context: a table of sparsities by layer needs an entry")
    elif context not in {*CONTEXTS, *more}:
        known = (*CONTEXTS, *more)
        raise RecipeError(
            f"unknown context {context!r}; there are {', '.join(known)}, and a table of sparsities by"
            f" layer.{suggestion(context, known)}"
        )


def check_latency(cost: str, table: str | None, device: str | None) -> None:
    """Make sure that a latency table is given where it counts, and there alone.

    Raises:
        RecipeError: options at odds.
    """
    if cost == "latency" and not table:
        raise RecipeError("cost latency needs a latency_table; mobilekit profile --out writes one")
    if cost != "latency" and table:
        raise RecipeError(
            f"latency_table: it counts with cost 'latency', not with {cost!r}; change it, or leave the table out"
        )
    if device and not table:
        raise RecipeError("latency_device is one of a latency table's; give latency_table too")


def check_cost(cost: str, context: object) -> None:
    """Make sure that a cost weighs layers against one another.

    Raises:
        RecipeError: an unknown cost, or one that would have no effect: within a layer all groups cost the same.
    """
    if cost not in COSTS:
        raise RecipeError(
            f"unknown cost {cost!r}; there are {', '.join(COSTS)}.{suggestion(cost, COSTS)}"
        )
    if cost != "none" and context not in ("global", "block"):
        raise RecipeError(
            f"cost {cost} weighs layers that are compared with one another; its context is global or block"
        )


def sparsifier(
    network: nn.Module,
    axes: Axes,
    inputs: Sequence[Tensor] = (),
    seed: int = 0,
    encoder: nn.Module | None = None,
) -> tuple[Sparsifier, tuple[str, ...]]:
    """Make what finds the dead groups of a network; nothing is dead yet.

    Without patterns, whole outputs (`filter`, `row`, `layer`) are taken of hidden layers only: those that
    make the network's outputs are left alone, and named.

    Args:
        network: whose weights are meant.
        axes: how, where and what.
        inputs: examples of its positional inputs; without them it is not known which layers are heads.
        seed: of random scores and of clusters.
        encoder: of the signatures of filters, for clusters; the network itself by default.

    Returns:
        The sparsifier, and notes on what was left alone.

    Raises:
        RecipeError: an option out of range, or options that do not go together.
        ModelError: a layer that does not have the granularity or what the criterion needs.
        NoEffectError: nothing would ever go.
    """
    by = criterion(axes.criterion)
    _check(axes)
    groups = groups_of(network, axes.granularity, axes.layers, axes.without)
    _check_filters(axes, groups)
    graph = _graph(network, inputs, axes)
    notes: list[str] = []
    if graph is not None and not axes.layers and axes.granularity in OUTPUTS_WHOLE:
        ends = heads(graph, [group for group in groups if _whole(axes.granularity, group)])
        groups = [group for group in groups if group.layer not in ends]
        notes += [f"{name} makes the network's outputs and is left alone" for name in sorted(ends)]
        if not groups:
            raise NoEffectError(
                f"{axes.granularity}: every layer makes the network's outputs; name layers to prune them"
            )
    clusters = None
    if axes.clusters:
        image = tuple(_given(inputs, "clusters")[0].shape[1:])
        clusters = Clusters(network, axes.clusters, image, encoder, seed)
        clusters.check()
    scales = {}
    if by.needs == "scale":
        assert graph is not None  # noqa: S101  by _graph
        scales = batch_norm_scales(graph, network, groups)
    made = Sparsifier(
        groups,
        _compared(network, groups, axes, inputs),
        by,
        seed,
        0 if axes.granularity == "layer" else axes.least,
        scales,
        clusters,
    )
    _check_effect(made, axes)
    return made, tuple(notes)


def sparsify(
    network: nn.Module, inputs: Sequence[Tensor] = (), *, seed: int = 0, **axes: Any
) -> nn.Module:
    """Return a copy with weights set to zero at once, without training.

    Args:
        network: is left as found; criteria that need gradients take those it has.
        inputs: examples of its positional inputs, needed by some options.
        seed: of random scores and of clusters.
        axes: the fields of `Axes`.

    Raises:
        MobilekitError: as `sparsifier`.

    >>> layer = nn.Linear(4, 2, bias=False)
    >>> half = sparsify(layer, sparsity=0.5)
    >>> int((half.weight == 0).sum()), int((layer.weight == 0).sum())
    (4, 0)
    """
    result = copy.deepcopy(network)
    for mine, found in zip(result.parameters(), network.parameters(), strict=True):
        mine.grad = found.grad  # deepcopy leaves gradients out
    made, _ = sparsifier(result, Axes(**axes), inputs, seed)
    made.update(1.0)
    for mine in result.parameters():
        mine.grad = None
    return result


def _compared(
    network: nn.Module, groups: Sequence[Grouped], axes: Axes, inputs: Sequence[Tensor]
) -> list[Comparison]:
    """Say what is compared, and by which cost."""
    kind = granularity(axes.granularity)
    sparsity = kind.most if kind.block else axes.sparsity
    works = axes.context == "block" or axes.cost in {"macs", "latency"}
    work = work_of(network, _given(inputs, "the context or cost")) if works else {}
    times: Mapping[str, float] = {}
    if axes.cost == "latency" and axes.latency_table is not None:
        table = read_table(Path(axes.latency_table), axes.latency_device)
        times = layer_times(network, [group.layer for group in groups], work, table)
    return comparisons(groups, axes.context, sparsity, work, axes.cost, times)


def _graph(network: nn.Module, inputs: Sequence[Tensor], axes: Axes) -> ChannelGraph | None:
    """Trace the network where it matters; without a graph, the layers must be named."""
    scale = axes.criterion == "batch_norm_scale"
    if scale:
        _given(inputs, "batch_norm_scale")
    if not inputs or not (scale or (axes.granularity in OUTPUTS_WHOLE and not axes.layers)):
        return None
    try:
        return ChannelGraph(network, inputs)
    except ModelError as problem:
        raise ModelError(
            f"it is not known which layers make the outputs ({problem}); name the layers to prune"
        ) from problem


def _whole(name: str, group: Grouped) -> bool:
    """Say whether a group makes whole outputs: a row of a convolution's kernel does not."""
    return name != "row" or group.weight.ndim == 2


def _given(inputs: Sequence[Tensor], what: str) -> Sequence[Tensor]:
    if not inputs:
        raise RecipeError(f"{what} needs example inputs of the network")
    return inputs


def _check(axes: Axes) -> None:
    kind = granularity(axes.granularity)
    check_latency(axes.cost, axes.latency_table, axes.latency_device)
    check_cost(axes.cost, axes.context)
    if axes.least < 0:
        raise RecipeError(f"least must be at least 0, not {axes.least}")
    if axes.clusters < 0 or axes.clusters == 1:
        raise RecipeError(f"clusters must be 0 (none) or at least 2, not {axes.clusters}")
    if kind.block and (isinstance(axes.context, Mapping) or axes.context != "local"):
        raise RecipeError(
            f"{axes.granularity} compares the weights of each block; its context is local"
        )
    if kind.block and axes.sparsity not in {kind.most, Axes.sparsity}:
        raise RecipeError(
            f"{axes.granularity} is a sparsity of {kind.most}, not {axes.sparsity}; leave sparsity out"
        )


def _check_filters(axes: Axes, groups: Sequence[Grouped]) -> None:
    filters = axes.granularity == "filter" or (axes.granularity == "row" and _linear(groups))
    by = criterion(axes.criterion)
    if (by.by_filter or axes.clusters) and not filters:
        what = axes.criterion if by.by_filter else "clustered"
        raise RecipeError(
            f"{what} scores filters; its granularity is filter, not {axes.granularity!r}"
        )


def _linear(groups: Sequence[Grouped]) -> bool:
    return all(group.weight.ndim == 2 for group in groups)


def _check_effect(made: Sparsifier, axes: Axes) -> None:
    """Refuse a sparsity at which not one group would go, or weights that cannot be scored."""
    if made.criterion.needs == "scale":
        for group in made.groups:
            made.scale(group)
    if made.most == 0:
        total = made.count[1]
        raise NoEffectError(
            f"sparsify: a sparsity of {axes.sparsity} of {total} groups ({axes.granularity}, context"
            f" {axes.context if isinstance(axes.context, str) else 'by layer'}) takes none of them away"
        )
