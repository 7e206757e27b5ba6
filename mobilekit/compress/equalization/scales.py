"""By how much each channel is to shrink where it is made, and grow where it is read.

All of it is computed in float64, on the largest size of each kernel alone: `[groups, O / g, I / g]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilekit.compress.equalization.pairs import Pair
from mobilekit.compress.folding.layers import Layer

TOLERANCE = 1e-3
"""A round that changes no scale by more than this share is the last."""
ROUNDS = 2000
DEAD = 2.0**-24
"""Channels smaller than this share of their layer's largest are left: float32 cannot tell them from 0."""


class Sizes:
    """The largest weight of every kernel of a layer, and the scales of its two sides.

    Args:
        layer: whose weight is measured.
        repeat: how many neighbouring inputs are one channel.
    """

    def __init__(self, layer: Layer, repeat: int) -> None:
        weight = layer.module.weight
        assert isinstance(weight, Tensor)  # noqa: S101  a layer is found by its weight
        parts = _split(weight, layer.groups).abs().amax(-1)
        kernels = parts.transpose(1, 2) if layer.transposed else parts
        groups, outputs, inputs = kernels.shape
        self._kernels = kernels.reshape(groups, outputs, inputs // repeat, repeat).amax(-1)
        self._repeat = repeat
        self._rows = kernels.new_ones(groups, outputs, 1)
        self._columns = kernels.new_ones(groups, 1, inputs // repeat)

    @property
    def rows(self) -> Tensor:
        """What each output is to be multiplied by, `[groups, O / g]`."""
        return self._rows.flatten(1)

    @property
    def columns(self) -> Tensor:
        """What is read of each input is to be multiplied by, `[groups, I / g]`."""
        return self._columns.flatten(1).repeat_interleave(self._repeat, 1)

    def made(self) -> Tensor:
        """Return the range of each output channel, `[O]`."""
        return ((self._kernels * self._columns).amax(2, keepdim=True) * self._rows).flatten()

    def read(self) -> Tensor:
        """Return the range of each channel that is read, `[I / repeat]`."""
        return ((self._kernels * self._rows).amax(1, keepdim=True) * self._columns).flatten()

    def shrink(self, scales: Tensor) -> None:
        """Divide each output channel by its scale, `[O]`."""
        self._rows = self._rows / scales.reshape(self._rows.shape)

    def grow(self, scales: Tensor) -> None:
        """Multiply what is read of each channel by its scale, `[I / repeat]`."""
        self._columns = self._columns * scales.reshape(self._columns.shape)


@dataclass(frozen=True)
class Scaling:
    """What each layer's weight is to be multiplied by, and what that does."""

    sizes: dict[nn.Module, Sizes]
    rounds: int
    """0 where every pair was equal before."""
    before: float
    """Mean of p₁ p₂ (0–1) over all channels, p being a channel's range over its layer's (equation 9)."""
    after: float


def scaling(pairs: Sequence[Pair]) -> Scaling:
    """Equalize pair by pair, s = √(r₁ r₂) / r₂, round after round until nothing changes.

    Args:
        pairs: of layers; a layer may be the consumer of one and the producer of another.
    """
    sizes = {pair.producer.module: Sizes(pair.producer, 1) for pair in pairs}
    sizes |= {pair.consumer.module: Sizes(pair.consumer, pair.repeat) for pair in pairs}
    before = _precision(pairs, sizes)
    alive = [_alive(pair, sizes) for pair in pairs]
    rounds = 0
    while rounds < ROUNDS:
        change = max(_balance(pair, sizes, who) for pair, who in zip(pairs, alive, strict=True))
        if change <= TOLERANCE:
            break
        rounds += 1
    return Scaling(sizes, rounds, before, _precision(pairs, sizes))


def rescale(layer: Layer, sizes: Sizes) -> None:
    """Multiply rows and columns of a layer's weight in place, in float64, and its bias."""
    weight, bias = layer.module.weight, layer.module.bias
    assert isinstance(weight, Tensor)  # noqa: S101  a layer is found by its weight
    parts = _split(weight, layer.groups)
    first, second = sizes.rows, sizes.columns
    if layer.transposed:
        first, second = second, first
    with torch.no_grad():
        scaled = parts * first[:, :, None, None] * second[:, None, :, None]
        weight.copy_(scaled.reshape(weight.shape))
        if isinstance(bias, Tensor):
            bias.copy_(bias.double() * sizes.rows.flatten())


def _alive(pair: Pair, sizes: dict[nn.Module, Sizes]) -> Tensor:
    one = sizes[pair.producer.module].made()
    two = sizes[pair.consumer.module].read()
    return (one > DEAD * one.max()) & (two > DEAD * two.max())


def _balance(pair: Pair, sizes: dict[nn.Module, Sizes], alive: Tensor) -> float:
    """Make the ranges of one pair equal; return the largest change of a scale, as a logarithm."""
    producer, consumer = sizes[pair.producer.module], sizes[pair.consumer.module]
    one, two = producer.made(), consumer.read()
    scales = torch.where(alive, (one / two).sqrt(), 1.0)
    producer.shrink(scales)
    consumer.grow(scales)
    return float(scales.log().abs().max())


def _precision(pairs: Sequence[Pair], sizes: dict[nn.Module, Sizes]) -> float:
    shares = [
        _share(sizes[pair.producer.module].made()) * _share(sizes[pair.consumer.module].read())
        for pair in pairs
    ]
    return float(torch.cat(shares).mean())


def _share(ranges: Tensor) -> Tensor:
    return ranges / ranges.max().clamp_min(torch.finfo(ranges.dtype).tiny)


def _split(weight: Tensor, groups: int) -> Tensor:
    """View a weight `[A, B, *kernel]` as `[groups, A / groups, B, kernel]`, in float64."""
    rows, columns = weight.shape[:2]
    return weight.detach().double().reshape(groups, rows // groups, columns, -1)
