"""Keep weights that are zero when training starts at zero.

What it does:
    After each step of the optimizer, weights that were exactly zero when the training began are set to
    zero again, and so is what the optimizer remembers of them: those of convolutions, of linear layers and
    of all projections of multi-head attention.

When to use it:
    To train a network on that was sparsified before: fine-tuning, or a second step of a recipe.

When not:
    After `prune`, when what was zero is gone; and on networks with weights that start at zero for another
    reason (a last layer that begins at zero), unless `layers` leaves these out.

Source:
    The fixed mask of Han et al. 2015, section 3.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from torch import nn
from torch.optim import Optimizer

from mobilekit.compress.base import Context, Handle
from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.masks import zero, zero_state
from mobilekit.core.errors import ModelError, NoEffectError


class KeepZeros(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    layers: tuple[str, ...] = ()
    """Patterns of names of convolutions, linear layers and attentions; all of them without."""
    without: tuple[str, ...] = ()
    """Patterns of names of layers that are left alone."""

    def start(self, network: nn.Module, context: Context) -> Handle:
        """Note which weights are zero.

        Raises:
            NoEffectError: none is.
            RecipeError: a pattern that matches no layer.
        """
        del context
        return Keeping(groups_of(network, "weight", self.layers, self.without))


class Keeping(Handle):
    """Zeroes weights again."""

    def __init__(self, groups: list[Grouped]) -> None:
        found = [(group, group.view().detach().eq(0).reshape(-1)) for group in groups]
        self._dead = [(group, dead) for group, dead in found if bool(dead.any())]
        if not self._dead:
            raise NoEffectError("keep_zeros: no weight is zero")

    def settle(self) -> None:
        """Take the masks to the weights."""
        self._dead = [(group, dead.to(group.weight.device)) for group, dead in self._dead]

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Zero them again."""
        del progress
        for group, dead in self._dead:
            zero(group, dead)
            if optimizer is not None:
                zero_state(group, dead, optimizer)

    def finish(self) -> tuple[str, ...]:
        """Say how many there are."""
        self.after_step(1.0)
        gone = sum(int(dead.count_nonzero()) for _, dead in self._dead)
        return (f"keep_zeros: {gone:,} weights stayed zero",)

    def state_dict(self) -> dict[str, Any]:
        """Return the masks, by the weights' names."""
        return {group.name: dead.clone() for group, dead in self._dead}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the masks."""
        if state.keys() != {group.name for group, _ in self._dead}:
            raise ModelError("keep_zeros: the checkpoint is of another network")
        for group, dead in self._dead:
            dead.copy_(state[group.name])
