"""Few distinct values for weights: a table that follows them, and gradients of a soft choice among it.

The table is that of k-means (Lloyd), a few rounds more at each training step, from where it was; the
network runs on the nearest entries. The gradient is that of differentiable k-means: attention over the
entries, A = softmax(−|w − c| / τ), the entries' means c' = Aᵀw / Σ A, and A c' in place of w.

Source: Cho et al. 2022, "DKM: differentiable k-means clustering layer for neural network compression",
section 3.1. Departures: the forward pass takes the nearest entry itself, as a file does, not A c'; τ is in
units of the mean distance of neighbouring entries; one step of attention, from a table that has settled.
"""

import torch
from torch import Tensor, nn

TEMPERATURE = 0.5
"""τ, in mean distances of neighbouring entries."""
ROUNDS = 3
"""Of Lloyd's algorithm per step; ten times as many at first."""


class Palette(nn.Module):
    """Weights take one of 2^bits values; weights that are zero stay so.

    Args:
        weight: whose dtype and device are taken.
        bits: of an index.
    """

    table: Tensor

    def __init__(self, weight: Tensor, bits: int) -> None:
        super().__init__()
        self.register_buffer("table", weight.detach().new_zeros(2**bits))

    def begin(self, weight: Tensor) -> None:
        """Let the table follow the weights; where no gradients are wanted, only if there is none yet."""
        values, begun = weight.detach().flatten().to(self.table), bool(self.table.any())
        if begun and not torch.is_grad_enabled():
            return
        if not begun:
            places = torch.linspace(0, len(values) - 1, len(self.table)).long()
            self.table.copy_(values.sort().values[places.to(values.device)])
        for _ in range(ROUNDS if begun else 10 * ROUNDS):
            self.table.copy_(settled(self.table, values))
        if bool((values == 0).any()):
            self.table[self.table.abs().argmin()] = 0

    def forward(self, weight: Tensor) -> Tensor:
        """Return the nearest entries, in the weight's shape, with the gradient of the soft choice."""
        values = weight.flatten()
        hard = self.table[nearest(self.table, values.detach())].to(weight)
        if not (torch.is_grad_enabled() and values.requires_grad):
            return hard.view_as(weight)
        gap = (self.table[-1] - self.table[0]) / max(len(self.table) - 1, 1)
        apart = (values[:, None] - self.table).abs() / (TEMPERATURE * gap).clamp(min=1e-12)
        attention = (-apart).softmax(1)
        means = attention.T @ values / attention.sum(0).clamp(min=1e-12)
        soft = attention @ means
        return (hard + soft - soft.detach()).view_as(weight)


def nearest(table: Tensor, values: Tensor) -> Tensor:
    """Return the index of the nearest entry of an ascending table for each value, `[n]`.

    >>> nearest(torch.tensor([-1.0, 0.0, 4.0]), torch.tensor([-3.0, 0.4, 2.1])).tolist()
    [0, 1, 2]
    """
    return torch.bucketize(values, (table[1:] + table[:-1]) / 2)


def settled(table: Tensor, values: Tensor) -> Tensor:
    """Return the table after one round of k-means: each entry the mean of the values nearest to it.

    An entry that no value is nearest to stays.

    >>> settled(torch.tensor([0.0, 5.0]), torch.tensor([1.0, 2.0, 9.0])).tolist()
    [1.5, 9.0]
    """
    places = nearest(table, values)
    count = torch.bincount(places, minlength=len(table))
    total = torch.zeros_like(table).index_add_(0, places, values)
    found = torch.where(count > 0, total / count.clamp(min=1), table)
    return found.sort().values
