"""Integers for weights: symmetric, a scale per output channel, the largest integer of each reached.

Why nothing is folded: a batch norm behind a layer multiplies its output channel k by some c. With the
scale s = max |w| / Q of each channel, the folded weights c·w have the scale max |c·w| / Q = |c|·s, and so
the integers round(c·w / (|c|·s)) = ± round(w / s), with the sign of c (rounding is odd). Their products
c·w are quantized to c times what w is quantized to. The fake quantization of the weights that are trained
is thus that of the weights that a file holds, whatever the norm's statistics are when it is written.

Why the largest integer is reached: a weight on such a grid has max |w| = Q·s, so whoever quantizes it
again by its greatest size finds the same scale, and the same integers. `Learned` scales, which clip, stay
below max |w| / Q for that reason.
"""

import math

import torch
from torch import Tensor, nn

from mobilekit.compress.quantization.fake import gradient_scaled, rounded, symmetric
from mobilekit.compress.sparsity.grouped import Grouped

NARROWEST = 1 / 16
"""Least share of max |w| / Q that a learned scale may become."""


def levels_of(bits: int) -> int:
    """Return Q, the largest of the integers −Q … Q.

    >>> levels_of(8), levels_of(4)
    (127, 7)
    """
    return int(2 ** (bits - 1) - 1)


class Observed(nn.Module):
    """The scale of each output channel is its weights' greatest size, divided by Q.

    Args:
        channels: the weights of each output channel, as groups.
        bits: of an integer.
    """

    def __init__(self, channels: Grouped, bits: int) -> None:
        super().__init__()
        self._shape, self._dims = tuple(channels.view().shape), channels.dims
        self.levels = levels_of(bits)

    def begin(self, weight: Tensor) -> None:
        """Nothing is to be prepared."""

    def scales(self, weight: Tensor) -> Tensor:
        """Return the scales of a weight, `[channels]`; 1 for a channel of zeros."""
        return self._limits(weight).flatten()

    def forward(self, weight: Tensor) -> Tensor:
        """Return a weight on the grid, in its shape."""
        step = self._limits(weight)  # no weight lies beyond, so all gradients pass
        return (rounded(weight.reshape(self._shape) / step) * step).reshape(weight.shape)

    def _limits(self, weight: Tensor) -> Tensor:
        return limits(weight.detach().reshape(self._shape), self._dims, self.levels)


class Learned(nn.Module):
    """The scale of each output channel is learned: s = r · s₀, r a parameter that begins at 1.

    s₀ = 2 · mean |w| / √Q, at most max |w| / Q; the gradient is scaled by 1 / √(N·Q), N weights per channel
    (Esser et al. 2020, section 2.2). Departure: r is learned in place of s, its gradient such that gradient
    descent moves s as in the paper; an optimizer of steps that do not know the size of what they change
    (Adam) then moves it by shares of itself.

    Args:
        channels: the weights of each output channel, as groups.
        bits: of an integer.
    """

    first: Tensor

    def __init__(self, channels: Grouped, bits: int) -> None:
        super().__init__()
        view = channels.view()
        self._shape, self._dims = tuple(view.shape), channels.dims
        self.levels = levels_of(bits)
        small = view.detach().abs().mean(self._dims, keepdim=True)
        self.relative = nn.Parameter(torch.ones_like(small))
        self.register_buffer("first", torch.zeros_like(small))
        self._factor = 1 / math.sqrt(channels.size * self.levels)

    @torch.no_grad()
    def begin(self, weight: Tensor) -> None:
        """Choose s₀ once; keep s below max |w| / Q, and above a share of it, ever after."""
        view = weight.reshape(self._shape)
        most = limits(view, self._dims, self.levels)
        if not bool(self.first.any()):
            mean = 2 * view.abs().mean(self._dims, keepdim=True) / math.sqrt(self.levels)
            self.first.copy_(torch.where(mean > 0, mean.minimum(most), most))
        share = most / self.first
        self.relative.copy_(self.relative.clamp(share * NARROWEST, share))

    def scales(self, weight: Tensor) -> Tensor:
        """Return the scales, `[channels]`."""
        del weight
        return (self.relative * self.first).detach().flatten()

    def forward(self, weight: Tensor) -> Tensor:
        """Return a weight on the grid, in its shape."""
        relative = gradient_scaled(self.relative, self._factor / self.first**2)
        step = relative * self.first
        return symmetric(weight.reshape(self._shape), step, self.levels).reshape(weight.shape)


def limits(view: Tensor, dims: tuple[int, ...], levels: int) -> Tensor:
    """Return max |w| / Q of each channel, with the dimensions of the view; 1 where all are zero.

    Args:
        view: weights.
        dims: of the view that a channel spans.
        levels: Q.

    >>> limits(torch.tensor([[1.0, -14.0], [0.0, 0.0]]), (1,), 7)
    tensor([[2.],
            [1.]])
    """
    most = view.abs().amax(dims, keepdim=True) / levels
    return torch.where(most > 0, most, torch.ones_like(most))
