"""Rounding that gradients pass through, onto grids whose zero is exact."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class _Rounded(Function):
    """Rounds; the gradient passes as if it had not (straight through)."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        del context
        return values.round()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        del context
        return gradients[0]


class _Scaled(Function):
    """Leaves values as they are, and multiplies their gradient."""

    @staticmethod
    def forward(context: Any, values: Tensor, factor: Tensor) -> Tensor:
        context.save_for_backward(factor)
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (factor,) = context.saved_tensors
        return gradients[0] * factor, None


def rounded(values: Tensor) -> Tensor:
    """Round to the nearest integer, of two the even one; the gradient is that of the identity.

    >>> values = torch.tensor([0.4, 1.5], requires_grad=True)
    >>> rounded(values).sum().backward()
    >>> rounded(values).tolist(), values.grad.tolist()
    ([0.0, 2.0], [1.0, 1.0])
    """
    found: Tensor = _Rounded.apply(values)
    return found


def gradient_scaled(values: Tensor, factor: Tensor) -> Tensor:
    """Return the values; their gradient is multiplied by a factor of the same shape."""
    found: Tensor = _Scaled.apply(values, factor)
    return found


def symmetric(values: Tensor, step: Tensor, levels: int) -> Tensor:
    """Return step · round(clamp(values / step, ±levels)): Esser et al. 2020, equations 1 and 2.

    The gradients are those of equations 3 and 5.

    Args:
        values: any shape.
        step: above 0, broadcasts to it.
        levels: greatest integer, such as 127 of 8 bits; the least is −levels.

    >>> symmetric(torch.tensor([-1.0, 0.3, 5.0]), torch.tensor(0.25), 7)
    tensor([-1.0000,  0.2500,  1.7500])
    """
    return rounded((values / step).clamp(-levels, levels)) * step


def asymmetric(values: Tensor, step: Tensor, zero: Tensor, levels: int) -> Tensor:
    """Return step · (clamp(round(values / step) + zero, 0, levels) − zero); the gradient passes within.

    Args:
        values: any shape.
        step: above 0, broadcasts to it.
        zero: the integer that stands for 0, in 0 to `levels`.
        levels: greatest integer, such as 255 of 8 bits.

    >>> asymmetric(torch.tensor([-1.0, 0.3, 99.0]), torch.tensor(0.25), torch.tensor(2.0), 255)
    tensor([-0.5000,  0.2500, 63.2500])
    """
    integers = rounded(values / step) + zero
    within = (integers >= 0) & (integers <= levels)  # the gradient of clamp is 0 at its ends too
    return (torch.where(within, integers, integers.detach().clamp(0, levels)) - zero) * step


def step_and_zero(low: Tensor, high: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Return the step of a range, and the integer that stands for 0; a range without width gets step 1.

    The range is widened to hold 0 and moved by less than a step, so that 0 is exact.

    >>> step, zero = step_and_zero(torch.tensor(-1.0), torch.tensor(4.0), 5)
    >>> step.item(), zero.item()
    (1.0, 1.0)
    """
    low, high = low.clamp(max=0), high.clamp(min=0)
    step = (high - low) / levels
    step = torch.where(step > torch.finfo(step.dtype).tiny, step, torch.ones_like(step))
    return step, (-low / step).round().clamp(0, levels)
