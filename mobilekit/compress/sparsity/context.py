"""Which channels go: the least of each group (`local`), or the least of all (`global`)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Scope = Literal["local", "global"]


def choose(scores: Sequence[Tensor], sparsity: float, scope: Scope, least: int = 1) -> list[Tensor]:
    """Choose what goes.

    Exactly ⌊sparsity · n⌋ channels of each group go (`local`), or of all groups together (`global`,
    each group's scores divided by their mean first); ties go to the later channel. At least `least`
    stay in each group.

    Args:
        scores: per group, shape `[n]` each.
        sparsity: share of channels that go, 0–1.
        scope: what is compared with what.
        least: channels that stay in each group.

    Returns:
        Whether each channel goes, shape `[n]` per group.

    >>> [mask.tolist() for mask in choose([torch.tensor([3.0, 1.0, 2.0, 9.0])], 0.5, "local")]
    [[False, True, True, False]]
    """
    if not scores:
        return []
    if scope == "local":
        return [
            lowest(group, min(int(sparsity * len(group) + 1e-9), max(len(group) - least, 0)))
            for group in scores
        ]
    scaled = torch.cat([_scaled(group.double(), least) for group in scores])
    count = min(int(sparsity * len(scaled) + 1e-9), int(scaled.isfinite().sum()))
    sizes = [len(group) for group in scores]
    return list(lowest(scaled, count).split(sizes))  # type: ignore[no-untyped-call]


def _scaled(scores: Tensor, least: int) -> Tensor:
    """Divide by the mean; the greatest, which must stay, become infinite, shape `[n]`."""
    scaled = scores / scores.mean().clamp_min(1e-300)
    scaled[~lowest(scores, max(len(scores) - least, 0))] = torch.inf
    return scaled


def lowest(scores: Tensor, count: int) -> Tensor:
    """Mark the `count` lowest scores, shape `[n]`; of equal ones the later."""
    mask = torch.zeros(len(scores), dtype=torch.bool)
    mask[len(scores) - 1 - scores.flip(0).argsort(stable=True)[:count]] = True
    return mask
