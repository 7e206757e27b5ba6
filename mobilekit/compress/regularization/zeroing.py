"""Which filters go at the end of an epoch: the smallest, that together hold less than a share.

The values n of all filters are divided by their sum and sorted; the filters whose cumulative sum stays
below a threshold are zeroed, and stay so to the end (Berthelier's thesis, section 3.3.3; its threshold
is 1 % everywhere). Only weights become zero: what a bias or a batch norm makes of such a channel is a
constant, which `prune` removes exactly.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mobilekit.compress.regularization.kernel_sparsity import values
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.masks import zero
from mobilekit.core.errors import ModelError, RecipeError

THRESHOLD = 0.01


def doomed(
    found: Mapping[str, Tensor], threshold: float = THRESHOLD, least: int = 1
) -> dict[str, Tensor]:
    """Mark the filters that go.

    Args:
        found: value of each filter, per layer, shape `[filters]`, at least 0.
        threshold: share of the sum of all values that may go, 0–1, 1 excluded.
        least: filters that stay in each layer, the greatest, of equal ones the first; 0 lets a layer die.
            They count in the sums like the others.

    Returns:
        Whether each filter goes, per layer, bool, shape `[filters]`.

    Raises:
        RecipeError: a threshold or a number of filters that cannot be.
        ModelError: values that are not finite.

    >>> doomed({"conv": torch.tensor([0.5, 49.0, 0.25, 50.25])})  # 0.25 + 0.5 < 1 % of 100
    {'conv': tensor([ True, False,  True, False])}
    """
    if not 0 <= threshold < 1:
        raise RecipeError(f"kernel sparsity: threshold must be in [0, 1), not {threshold}")
    if least < 0:
        raise RecipeError(f"kernel sparsity: least must be at least 0, not {least}")
    wide = {name: one.detach().cpu().double() for name, one in found.items()}
    for name, one in wide.items():
        if not bool(one.isfinite().all()):
            raise ModelError(f"kernel sparsity: {name} has weights that are not finite")
    every = torch.cat(list(wide.values())) if wide else torch.zeros(0, dtype=torch.float64)
    marks = _below(every, threshold).split([len(one) for one in wide.values()])  # type: ignore[no-untyped-call]
    result = {}
    for (name, one), mark in zip(wide.items(), marks, strict=True):
        mark[one.argsort(descending=True, stable=True)[:least]] = False
        result[name] = mark.to(found[name].device)
    return result


def end_epoch(
    layers: Sequence[Grouped],
    dead: Mapping[str, Tensor],
    threshold: float = THRESHOLD,
    least: int = 1,
) -> dict[str, Tensor]:
    """Zero what the epoch has made small, and once more what was dead before.

    Args:
        layers: filters, as `groups_of` finds them; their weights change in place.
        dead: what this returned after the epoch before, or nothing.
        threshold: share of the sum of all values that may go, 0–1, 1 excluded.
        least: filters that stay in each layer.

    Returns:
        Whether each filter is dead now, per layer, bool, shape `[filters]`.

    Raises:
        RecipeError: a threshold or a number of filters that cannot be.
        ModelError: weights that are not finite.
    """
    for layer in layers:
        if layer.name in dead:
            zero(layer, dead[layer.name])
    now = doomed(values(layers), threshold, least)
    for layer in layers:
        if layer.name in dead:
            now[layer.name] |= dead[layer.name]
        zero(layer, now[layer.name])
    return now


def _below(every: Tensor, threshold: float) -> Tensor:
    """Mark the values whose cumulative sum, from the smallest on, is below a share of their sum."""
    mask = torch.zeros(len(every), dtype=torch.bool)
    total = every.sum()
    if total > 0:
        order = every.argsort(stable=True)
        mask[order] = (every[order] / total).cumsum(0) < threshold
    return mask
