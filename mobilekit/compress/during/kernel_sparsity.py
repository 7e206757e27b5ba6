"""Let filters die by themselves: the l1/l2 ratio of their mean weights, and zeroing at each epoch's end.

What it does:
    Each 3-D filter has one value, the mean of its |W|; λ · ‖N‖₁ / ‖N‖₂ over all of them is added to the
    loss, its gradient in closed form, so that few filters grow and the others shrink. At the end of each
    epoch from `start` on, the smallest filters that together hold less than `threshold` of all values
    are set to zero, and stay so. Every epoch's values are kept, and its zeroed filters.

When to use it:
    To find out how many filters a task needs, without a sparsity given beforehand; then `prune`.

When not:
    With filters that a norm right behind them scales back (the term then costs the network nothing).
    For a given sparsity, `sparsify`.

Source:
    Berthelier's thesis, section 3.3, equations 3.2 to 3.6. `literal` divides by the layer's number of
    filters, as 3.2 is printed. Departure: the last filters of a layer stay, unless `least` is 0.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilekit.compress.base import Context, Handle
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.regularization import kernel_sparsity as terms
from mobilekit.compress.regularization.kernel_sparsity import Form, Normalization, Scope
from mobilekit.compress.regularization.zeroing import THRESHOLD, end_epoch
from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.masks import zero, zero_state
from mobilekit.compress.sparsity.roles import heads
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError


class KernelSparsity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    strength: Annotated[float, Meta(ge=0)] = 0.5
    """λ; 0 zeroes filters without the term."""
    form: Form = "ratio"
    """‖N‖₁ / ‖N‖₂, or with what it is compared: `l1`, `l2`."""
    scope: Scope = "global"
    """One vector N over all layers, or a term per layer."""
    normalization: Normalization = "vector"
    """What the length of N divides: nothing, N itself, or only the ‖N‖₁ of the ratio."""
    literal: bool = False
    """Divide Σ |W| by the layer's number of filters, as equation 3.2 is printed."""
    threshold: Annotated[float, Meta(ge=0, lt=1)] = THRESHOLD
    """Share of the sum of all values that the zeroed filters stay below."""
    start_at: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Share of the training before which no filter is zeroed."""
    end_at: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of the training after which no further filter is zeroed, and the term is no longer added."""
    least: Annotated[int, Meta(ge=0)] = 1
    """Filters that stay in each layer, the greatest; 0 lets a layer die."""
    layers: tuple[str, ...] = ()
    """Patterns of names of convolutions; all without, but for those that make the network's outputs."""
    without: tuple[str, ...] = ()
    """Patterns of names of layers that are left alone."""

    def start(self, network: nn.Module, context: Context) -> Handle:
        """Begin to act on a network.

        Raises:
            NoEffectError: no convolution is meant, or neither term nor threshold.
            RecipeError: a pattern that matches no convolution, or an end before the start.
            ModelError: example inputs that the network does not take.
        """
        if self.end_at < self.start_at:
            raise RecipeError(
                f"kernel_sparsity: end_at {self.end_at} lies before start_at {self.start_at}"
            )
        if self.strength == 0 and self.threshold == 0:
            raise NoEffectError("kernel_sparsity: strength and threshold are both 0")
        filters = groups_of(network, "filter", self.layers, self.without)
        notes: tuple[str, ...] = ()
        if not self.layers and context.inputs:
            ends = heads(ChannelGraph(network, context.inputs), filters)
            filters = [each for each in filters if each.layer not in ends]
            notes = tuple(
                f"{name} makes the network's outputs and is left alone" for name in sorted(ends)
            )
        if not filters:
            raise NoEffectError("kernel_sparsity: no hidden convolution that trains")
        return Dying(filters, self, notes)


class Dying(Handle):
    """Filters that become fewer."""

    def __init__(
        self, filters: list[Grouped], config: KernelSparsity, notes: tuple[str, ...] = ()
    ) -> None:
        self.filters, self._config, self._notes = filters, config, notes
        self._term = terms.KernelSparsity(
            config.strength, config.form, config.scope, config.normalization, config.literal
        )
        self.dead: dict[str, Tensor] = {}
        """Whether each filter is zero, per layer, once some are."""
        self.history: list[dict[str, Tensor]] = []
        """Value of each filter at the end of each epoch, before zeroing, per layer."""
        self._value, self._progress = torch.zeros(()), 0.0

    def after_backward(self) -> None:
        """Add the gradient of the term; dead filters have none.

        Behind a batch norm a filter of zeros has no variance and so a huge gradient, which would leave
        nothing to the others where gradients are clipped.
        """
        for layer in self.filters:
            if layer.name in self.dead and layer.weight.grad is not None:
                zero(layer, self.dead[layer.name], layer.weight.grad)
        if self._config.strength > 0 and self._progress < self._config.end_at:
            self._value = terms.add_gradient(self.filters, self._term)

    def settle(self) -> None:
        """Take the masks to the weights."""
        devices = {layer.name: layer.weight.device for layer in self.filters}
        self.dead = {name: each.to(devices[name]) for name, each in self.dead.items()}

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Keep dead filters at zero."""
        self._progress = progress
        for layer in self.filters:
            if layer.name in self.dead:
                zero(layer, self.dead[layer.name])
                if optimizer is not None:
                    zero_state(layer, self.dead[layer.name], optimizer)

    def after_epoch(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Note the values, and zero what has become small."""
        found = terms.values(self.filters, literal=self._config.literal)
        self.history.append({name: each.cpu() for name, each in found.items()})
        if self._config.start_at <= progress <= self._config.end_at:
            self.dead = end_epoch(
                self.filters, self.dead, self._config.threshold, self._config.least
            )
            self.after_step(progress, optimizer)

    def finish(self) -> tuple[str, ...]:
        """Say how many filters are zero."""
        self.after_step(1.0)
        gone, total = self._count()
        return (f"kernel_sparsity: {gone:,} of {total:,} filters are zero", *self._notes)

    def figures(self) -> dict[str, float]:
        """Return the term, and how many filters are zero."""
        return {"penalty": float(self._value), "zero_filters": float(self._count()[0])}

    def records(self) -> dict[str, Tensor]:
        """Return the values at the end of the last epoch, before zeroing, and which filters are zero."""
        found = {f"values.{name}": each for name, each in (self.history or [{}])[-1].items()}
        for layer in self.filters:
            none = torch.zeros(layer.count, dtype=torch.bool)
            found[f"zero.{layer.name}"] = self.dead.get(layer.name, none)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return masks and history."""
        state: dict[str, Any] = {f"dead.{name}": dead.clone() for name, dead in self.dead.items()}
        for epoch, values in enumerate(self.history):
            state |= {f"values.{epoch}.{name}": each for name, each in values.items()}
        return state | {"epochs": len(self.history), "progress": self._progress}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take masks and history."""
        counts = {layer.name: layer.count for layer in self.filters}
        dead = {name[5:]: each for name, each in state.items() if name.startswith("dead.")}
        if any(counts.get(name) != len(each) for name, each in dead.items()):
            raise ModelError("kernel_sparsity: the checkpoint is of another network")
        devices = {layer.name: layer.weight.device for layer in self.filters}
        self.dead = {name: each.to(devices[name]) for name, each in dead.items()}
        self.history = [
            {name: state[f"values.{epoch}.{name}"] for name in counts}
            for epoch in range(int(state["epochs"]))
        ]
        self._progress = float(state["progress"])

    def _count(self) -> tuple[int, int]:
        gone = sum(int(each.count_nonzero()) for each in self.dead.values())
        return gone, sum(layer.count for layer in self.filters)
