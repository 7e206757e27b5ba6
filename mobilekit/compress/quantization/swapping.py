"""A network that runs with other weights than those that are trained.

While the network runs, and until the gradients are there, its parameters hold what the grids make of
them; then they hold the trained values again, and the gradients are carried back through the grids. So
the names of parameters stay as they are (checkpoints, other methods, formats), and layers that read a
weight without being called (attention, tied weights) see the grid too, which a parametrization
(`torch.nn.utils.parametrize`) would give neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class _Held:
    """What a parameter held, and what the grid made of it."""

    trained: Tensor
    made: Tensor


class Swap:
    """Weights and the grids they run on.

    Args:
        grids: by name; each is a module that takes a weight and returns one of its shape, and that has a
            method `begin`, told the weight before.
        weights: by the same names.
    """

    def __init__(self, grids: Mapping[str, nn.Module], weights: Mapping[str, nn.Parameter]) -> None:
        self._pairs = [(weights[name], grid) for name, grid in grids.items()]
        self._held: list[_Held] = []

    def put(self) -> None:
        """Give the parameters what the grids make of them, once until `back`; with a graph if one is wanted."""
        if self._held:
            return
        for weight, grid in self._pairs:
            trained = weight.detach().clone().requires_grad_(torch.is_grad_enabled())
            with torch.autocast(
                weight.device.type, enabled=False
            ):  # a grid is as fine as the weights
                grid.begin(trained.detach())  # type: ignore[operator]
                made = grid(trained)
            self._held.append(_Held(trained, made))
            weight.data.copy_(made.detach())

    def pull(self) -> None:
        """Carry gradients back to the trained values and to what the grids learn, then `back`.

        Called once per step of the optimizer, when the gradients of all batches are there.
        """
        for (weight, grid), held in zip(self._pairs, self._held, strict=False):
            if weight.grad is None or not held.made.requires_grad:
                continue
            learned = [each for each in grid.parameters() if each.requires_grad]
            first, *others = torch.autograd.grad(
                held.made, [held.trained, *learned], weight.grad.to(held.made.dtype)
            )
            weight.grad.copy_(first)
            for parameter, slope in zip(learned, others, strict=True):
                parameter.grad = slope if parameter.grad is None else parameter.grad + slope
        self.back()

    def back(self) -> None:
        """Give the parameters their trained values again; nothing where they have them."""
        for (weight, _), held in zip(self._pairs, self._held, strict=False):
            weight.data.copy_(held.trained.detach())
        self._held.clear()

    @torch.no_grad()
    def bake(self) -> None:
        """Leave the parameters on their grids for good."""
        self.back()
        for weight, grid in self._pairs:
            grid.begin(weight.detach())  # type: ignore[operator]
            weight.copy_(grid(weight))

    @torch.no_grad()
    def error(self) -> float:
        """Return ‖grid − trained‖ / ‖trained‖ of all weights together."""
        error = signal = 0.0
        held = [each.trained for each in self._held] or [weight for weight, _ in self._pairs]
        for trained, (_, grid) in zip(held, self._pairs, strict=True):
            error += float((grid(trained) - trained).double().square().sum())
            signal += float(trained.double().square().sum())
        return float((error / signal) ** 0.5) if signal else 0.0
