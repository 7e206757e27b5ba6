"""What is written of groups of weights at the end of an epoch: a few numbers per filter or layer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mobilekit.compress.sparsity.grouped import Grouped


@torch.no_grad()
def filter_records(groups: Sequence[Grouped]) -> dict[str, Tensor]:
    """Return `values.<weight>`, the mean |W| of each filter, shape `[filters]`; of other groups nothing.

    >>> pair = torch.tensor([[[[1.0, -3.0]]], [[[0.0, 0.0]]]])  # two filters of two weights
    >>> filter_records([Grouped("conv.weight", pair, (1, 2, 3))])
    {'values.conv.weight': tensor([2., 0.])}
    """
    return {
        f"values.{group.name}": group.mean(group.view().abs())
        for group in groups
        if _are_filters(group)
    }


@torch.no_grad()
def zero_records(groups: Sequence[Grouped], dead: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the share of zeros per weight, `sparsity.<weight>`, shape `[]`, and which filters are zero.

    Args:
        groups: of any granularity; parts of one weight are taken together.
        dead: whether each group is zero, bool, shape `[count]` per entry of `groups`.

    Returns:
        Also `zero.<weight>`, bool, shape `[filters]`, where the groups are filters.

    >>> pair = torch.zeros(2, 1, 1, 2)
    >>> zero_records([Grouped("conv.weight", pair, (1, 2, 3))], [torch.tensor([False, True])])
    {'zero.conv.weight': tensor([False,  True]), 'sparsity.conv.weight': tensor(0.5000)}
    """
    found: dict[str, Tensor] = {}
    gone: dict[str, int] = {}
    total: dict[str, int] = {}
    for group, each in zip(groups, dead, strict=True):
        name = group.name
        if _are_filters(group):
            found[f"zero.{name}"] = each
        gone[name] = gone.get(name, 0) + int(each.count_nonzero()) * group.size
        total[name] = total.get(name, 0) + group.count * group.size
    return found | {f"sparsity.{name}": torch.tensor(gone[name] / total[name]) for name in total}


def _are_filters(group: Grouped) -> bool:
    whole = group.part is None and not group.shape
    return whole and group.weight.ndim == 4 and group.dims == (1, 2, 3)
