"""Where: which layers' scores are compared with one another, and what share of them goes.

`local`: each layer by itself, all at the same sparsity. `global`: all layers together. `block`: the layers
of a stage, whose outputs have the same height and width, together. A mapping from patterns of names to
sparsities: each layer it names by itself, at its own sparsity.
"""

import fnmatch
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.work import Work
from mobilekit.core.choices import CHOICES
from mobilekit.core.errors import ModelError, RecipeError, suggestion

Context = Literal["local", "global", "block"] | Mapping[str, float]
Cost = Literal["none", "params", "macs", "latency"]
CONTEXTS = ("local", "global", "block")
ContextName = Annotated[str, Meta(extra={CHOICES: CONTEXTS})]
COSTS = ("none", "params", "macs", "latency")


@dataclass(frozen=True)
class Comparison:
    """Layers whose groups are compared, by their index, and what share of the groups goes."""

    members: tuple[int, ...]
    sparsity: float
    weights: tuple[float, ...]
    """By which the scores of each member are multiplied."""


def comparisons(
    groups: Sequence[Grouped],
    context: Context,
    sparsity: float,
    work: Mapping[str, Work],
    cost: Cost = "none",
    times: Mapping[str, float] | None = None,
) -> list[Comparison]:
    """Say what is compared.

    Args:
        groups: of the layers.
        context: by name, or sparsities by pattern of the layers' names.
        sparsity: share of the groups that go; of a mapping, its own count.
        work: of each layer, by name; needed for `block` and for `macs`.
        cost: scores are divided by what one group costs, so that at equal scores the dearer goes first.
        times: what all outputs of a layer take in nanoseconds, by name; needed for `latency`.

    Raises:
        RecipeError: an unknown context or cost, a pattern that matches no layer, or a sparsity out of range.
        ModelError: a layer whose work is needed and that did not run, or whose time is not known.

    >>> import torch
    >>> two = [Grouped("a.weight", torch.ones(4, 2), (1,)), Grouped("b.weight", torch.ones(2, 2), (1,))]
    >>> [(one.members, one.sparsity) for one in comparisons(two, "global", 0.5, {})]
    [((0, 1), 0.5)]
    """
    if cost not in COSTS:
        raise RecipeError(
            f"unknown cost {cost!r}; there are {', '.join(COSTS)}.{suggestion(cost, COSTS)}"
        )
    weights = [1 / _cost(group, cost, work, times or {}) for group in groups]
    if isinstance(context, Mapping):
        return _by_pattern(groups, context, weights)
    _check(sparsity, "sparsity")
    if context not in CONTEXTS:
        raise RecipeError(
            f"unknown context {context!r}; there are {', '.join(CONTEXTS)}, and a table of sparsities by"
            f" layer.{suggestion(str(context), CONTEXTS)}"
        )
    sets: defaultdict[object, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        key = {"local": i, "global": 0, "block": _stage(group, work)}[context]
        sets[key].append(i)
    return [
        Comparison(tuple(members), sparsity, tuple(weights[i] for i in members))
        for members in sets.values()
    ]


def _by_pattern(
    groups: Sequence[Grouped], context: Mapping[str, float], weights: Sequence[float]
) -> list[Comparison]:
    names = [group.layer for group in groups]
    found: dict[int, float] = {}
    for pattern, sparsity in context.items():
        _check(sparsity, f"context: the sparsity of {pattern!r}")
        matched = [i for i, name in enumerate(names) if fnmatch.fnmatchcase(name, pattern)]
        if not matched:
            raise RecipeError(
                f"context: {pattern!r} matches no layer that has the granularity.{suggestion(pattern, names)}"
            )
        for i in matched:
            found.setdefault(i, sparsity)  # the first pattern counts
    return [Comparison((i,), sparsity, (weights[i],)) for i, sparsity in sorted(found.items())]


def _check(sparsity: float, what: str) -> None:
    if not 0 <= sparsity < 1:
        raise RecipeError(f"{what} must be in [0, 1), not {sparsity}")


def _stage(group: Grouped, work: Mapping[str, Work]) -> tuple[int, ...]:
    return work[group.layer].size if group.layer in work else ()


def _cost(
    group: Grouped, cost: Cost, work: Mapping[str, Work], times: Mapping[str, float]
) -> float:
    if cost == "none":
        return 1.0
    if cost == "params":
        return float(group.size)
    if cost == "latency":
        return _time(group, times)
    if group.layer not in work:
        raise ModelError(
            f"{group.layer or group.name}: it did not run on the example inputs, so that its multiplications"
            " are not known; leave it out by its name"
        )
    return float(group.size * max(work[group.layer].positions, 1))


def _time(group: Grouped, times: Mapping[str, float]) -> float:
    """Return the group's share of its layer's time, as that of the weights."""
    if group.layer not in times:
        raise ModelError(
            f"{group.layer or group.name}: how long it takes is not known; leave it out by its name"
        )
    return times[group.layer] * group.size / group.weight.numel()
