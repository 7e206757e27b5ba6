"""Ranges of activations: seen in training, learned, or found anew at every run; 0 is exact in all."""

import math

import torch
from torch import Tensor, nn

from mobilekit.compress.quantization.fake import asymmetric, gradient_scaled, step_and_zero
from mobilekit.core.errors import TrainingError
from mobilekit.core.quantization_plan import Range

PACE = 0.01
"""Weight of a batch in the moving averages of least and greatest values."""


class Span(nn.Module):
    """Moving averages of the least and greatest value of each batch; the first batch counts wholly.

    Args:
        like: a tensor whose dtype and device are taken.
        balanced: the range is as wide below 0 as above it, as 16-bit integers want it.
    """

    low: Tensor
    high: Tensor

    def __init__(self, like: Tensor, *, balanced: bool = False) -> None:
        super().__init__()
        self._balanced = balanced
        self.register_buffer("low", torch.full_like(like, math.inf))
        self.register_buffer("high", torch.full_like(like, -math.inf))

    @property
    def seen(self) -> bool:
        """Whether there was a batch."""
        return bool(self.low <= self.high)

    @torch.no_grad()
    def see(self, values: Tensor) -> None:
        """Take in a batch."""
        low, high = values.detach().aminmax()
        if self._balanced:
            high = torch.maximum(-low, high)
            low = -high
        pace = PACE if self.seen else 1.0
        for mine, new in ((self.low, low), (self.high, high)):
            mine.copy_(new.to(mine) if pace == 1 else mine + pace * (new.to(mine) - mine))


class Observed(nn.Module):
    """Integers over the moving averages of a layer's input.

    Args:
        like: a tensor whose dtype and device are taken.
        bits: of an integer, 8 or 16.
    """

    def __init__(self, like: Tensor, bits: int = 8) -> None:
        super().__init__()
        self.span = Span(like.new_zeros(()), balanced=bits > 8)
        self._levels = levels_of(bits)

    def forward(self, values: Tensor, *, seeing: bool = True, active: bool = True) -> Tensor:
        """Take in a batch if asked, and return it on the grid where that is active."""
        if seeing:
            self.span.see(values)
        if not active or not self.span.seen:
            return values
        step, zero = step_and_zero(self.span.low, self.span.high, self._levels)
        return asymmetric(values.to(step), step, zero, self._levels).to(values)

    def range(self, where: str) -> Range | None:
        """Return what the grid spans; None before the first batch.

        Raises:
            TrainingError: it is not finite.
        """
        if not self.span.seen:
            return None
        step, zero = step_and_zero(self.span.low, self.span.high, self._levels)
        return _range(step, zero, self._levels, where)


class Learned(nn.Module):
    """Integers whose step is learned, s = r · s₀, from the moving averages at the first active batch on.

    The gradient's scale is that of Esser et al. 2020, section 2.2, and r stands for s as in
    `grids.Learned`. Departure: s₀ is that of the range seen, not 2 · mean |x| / √Q, and the integer that
    stands for 0 stays what it is then, so that inputs below 0 keep their share of the integers.

    Args:
        like: a tensor whose dtype and device are taken.
        bits: of an integer, 8 or 16.
    """

    first: Tensor
    zero: Tensor

    def __init__(self, like: Tensor, bits: int = 8) -> None:
        super().__init__()
        nothing = like.detach().new_zeros(())
        self.span = Span(nothing, balanced=bits > 8)
        self.relative = nn.Parameter(torch.ones_like(nothing))
        self.register_buffer("first", nothing.clone())
        self.register_buffer("zero", nothing.clone())
        self._levels = levels_of(bits)

    def forward(self, values: Tensor, *, seeing: bool = True, active: bool = True) -> Tensor:
        """Return values on the grid where that is active; before, take in batches if asked."""
        begun = bool(self.first > 0)
        if not begun and seeing:
            self.span.see(values)
        if not active or not self.span.seen:
            return values
        if not begun and not seeing:
            return values
        if not begun:
            step, zero = step_and_zero(self.span.low, self.span.high, self._levels)
            self.first.copy_(step)
            self.zero.copy_(zero)
        factor = 1 / math.sqrt(values[0].numel() * self._levels) / self.first**2
        step = gradient_scaled(self.relative, factor) * self.first
        step = step.clamp(min=float(self.first) * 1e-3)
        return asymmetric(values.to(step), step, self.zero, self._levels).to(values)

    def range(self, where: str) -> Range | None:
        """Return what the grid spans; None before the first batch.

        Raises:
            TrainingError: it is not finite.
        """
        if not bool(self.first > 0):
            return None
        return _range(self.relative.detach() * self.first, self.zero, self._levels, where)


class Dynamic(nn.Module):
    """8-bit integers over the range of each example, as they are made at run time."""

    def forward(self, values: Tensor, *, seeing: bool = True, active: bool = True) -> Tensor:
        """Return values, `[N, ...]`, on the grid of their example where that is active."""
        del seeing
        if not active:
            return values
        wide = values.to(torch.promote_types(values.dtype, torch.float32))
        rest = tuple(range(1, values.ndim))
        low, high = (each(wide.detach(), rest, keepdim=True) for each in (torch.amin, torch.amax))
        return asymmetric(wide, *step_and_zero(low, high, 255), 255).to(values)

    def range(self, where: str) -> None:
        """Return None: there is no range before the file runs."""


def levels_of(bits: int) -> int:
    """Return the greatest of the integers 0 … that bits stand for; 16 bits are symmetric, −Q … Q.

    >>> levels_of(8), levels_of(16)
    (255, 65534)
    """
    return int(2**bits - (2 if bits > 8 else 1))


def _range(step: Tensor, zero: Tensor, levels: int, where: str) -> Range:
    low, high = -float(zero * step), float((levels - zero) * step)
    if not math.isfinite(low) or not math.isfinite(high):
        raise TrainingError(
            f"quantize_aware: {where}: its input reached infinity; nothing spans that"
        )
    return Range(low, high)
