"""Which groups of weights are dead, and how they are kept at zero while a network trains."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

from mobilekit.compress.sparsity.grouped import Grouped


def zero(group: Grouped, dead: Tensor, tensor: Tensor | None = None) -> None:
    """Zero dead groups in place, in the weight or in a tensor of its shape (gradient, momentum).

    Args:
        group: whose groups.
        dead: bool, shape `[count]`.
        tensor: of the weight's shape; the weight itself by default.

    >>> weight = torch.ones(2, 3)
    >>> zero(Grouped("weight", weight, (1,)), torch.tensor([False, True]))
    >>> weight
    tensor([[1., 1., 1.],
            [0., 0., 0.]])
    """
    with torch.no_grad():
        view = group.view(tensor)
        dead = dead.to(view.device)
        apart = [dim for dim in range(view.ndim) if dim not in group.dims]
        if len(apart) == 1:  # whole slices: the others are not even read
            view.index_fill_(apart[0], dead.nonzero().squeeze(1), 0)
        else:
            view.masked_fill_(group.spread(dead), 0)


def zero_state(group: Grouped, dead: Tensor, optimizer: Optimizer) -> None:
    """Zero what an optimizer remembers of dead groups: momenta, averages of squares.

    Args:
        group: whose groups.
        dead: bool, shape `[count]`.
        optimizer: of any kind; tensors of the weight's shape are meant.
    """
    state = optimizer.state.get(group.weight)
    for kept in (state or {}).values():
        if isinstance(kept, Tensor) and kept.shape == group.weight.shape:
            zero(group, dead, kept)


def kept_weights(group: Grouped, dead: Tensor) -> Tensor:
    """Return whether each weight of the view lives, bool, in the shape of the view."""
    return (~group.spread(dead)).expand(group.view().shape)


def share_of(groups: Mapping[str, tuple[Grouped, Tensor]]) -> float:
    """Return the share of weights that are dead, 0–1."""
    total = sum(group.count * group.size for group, _ in groups.values())
    gone = sum(int(dead.sum()) * group.size for group, dead in groups.values())
    return gone / total if total else 0.0
