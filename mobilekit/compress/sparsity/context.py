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
        counts = [int(sparsity * len(group) + 1e-9) for group in scores]
    else:
        scaled = torch.cat([group / group.mean().clamp_min(1e-300) for group in scores])
        total = int(sparsity * len(scaled) + 1e-9)
        owner = torch.cat([torch.full((len(g),), i) for i, g in enumerate(scores)])
        order = scaled.argsort(stable=True)
        counts = torch.bincount(owner[order[:total]], minlength=len(scores)).tolist()
    return [
        lowest(group, min(count, max(len(group) - least, 0)))
        for group, count in zip(scores, counts, strict=True)
    ]


def lowest(scores: Tensor, count: int) -> Tensor:
    """Mark the `count` lowest scores, shape `[n]`; of equal ones the later."""
    mask = torch.zeros(len(scores), dtype=torch.bool)
    mask[len(scores) - 1 - scores.flip(0).argsort(stable=True)[:count]] = True
    return mask
