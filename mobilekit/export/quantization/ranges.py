"""Ranges of activations from calibration inputs, met one after another: what the integers span.

A histogram has bins of width 2^k whose edges are multiples of 2^k, with the smallest k at which 0 and
all values met fit into `BINS`. When they no longer do, neighbouring bins are merged, which is exact:
the histogram depends on the values alone, not on their order or on how they were cut into arrays.

Each range contains 0, which padding and ReLU need exact:

    minmax      all values.
    percentile  all but 0.01 % at each end.
    mse         least expected squared error.
    entropy     least Kullback-Leibler divergence of the values from what the integers keep of them.
"""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mobilekit.core.errors import DataError
from mobilekit.core.quantization import Observer
from mobilekit.core.quantization_plan import QuantizationPlan
from mobilekit.export.quantization.clipping import least_divergence, least_error

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array

BINS = 2048
TAIL = 1e-4
"""Share of the values that `percentile` leaves out at each end."""
_EXACT = 23
"""Bins are no finer than the largest value · 2^-23: float32 tells no more."""
_FINEST = -120
_CHUNK = 1 << 15
"""Values counted at a time, while they are in the cache."""


class Histogram:
    """Counts of the values of one tensor, in bounded memory.

    >>> histogram = Histogram("relu")
    >>> histogram.add(np.array([0.0, 0.5, 2.0]))
    >>> histogram.range("minmax")
    (0.0, 2.0)
    """

    def __init__(self, name: str, *, counted: bool = True) -> None:
        """Make an empty histogram.

        Args:
            name: of the tensor, for errors.
            counted: keep the counts; without them only `minmax` can be asked, and `add` is faster.
        """
        self.name = name
        self.low, self.high = math.inf, -math.inf
        self.zeros = 0
        self.counts = np.zeros(0, np.int64)
        self._counted = counted
        self._exponent = _FINEST
        self._first = 0

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """Lower edge of each bin and upper edge of the last, `[bins + 1]`, 0 among them."""
        return np.ldexp(
            np.arange(self._first, self._first + len(self.counts) + 1, dtype=np.float64),
            self._exponent,
        )

    def add(self, array: "Array") -> None:
        """Count the values of an array of any shape.

        Raises:
            DataError: a value is infinite or no number.
        """
        if not array.size:
            return
        values = np.asarray(array, np.float32).ravel()
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise DataError(
                f"calibration: {self.name} becomes infinite, or no number, on the calibration inputs:"
                " no range holds that; leave its layer in float, or mend the network or the inputs"
            )
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self._counted:
            self._widen()
            for start in range(0, values.size, _CHUNK):
                self._count(values[start : start + _CHUNK])

    def range(self, observer: Observer, bits: int = 8) -> tuple[float, float]:
        """Return the ends `(low ≤ 0, high ≥ 0)` for integers of so many bits.

        A tensor that is always 0 gets `(0, 1)`: any scale stores it exactly.

        Raises:
            DataError: no values, or no counts of them, were kept.
        """
        if self.low > self.high:
            raise DataError(
                f"calibration: {self.name} has no values; there were no calibration inputs"
            )
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        if low == high:
            return 0.0, 1.0
        if observer == "minmax" or self.low == self.high:
            return low, high
        if not self._counted:
            raise DataError(f"calibration: {self.name}: no counts were kept for {observer}")
        if observer == "percentile":
            found = self._percentile()
        else:
            search = least_error if observer == "mse" else least_divergence
            found = search(self.counts, self.edges, self.zeros, 2**bits - 1)
        return max(found[0], low), min(found[1], high)

    def _widen(self) -> None:
        """Merge bins until 0 and all values met fit."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        exponent = max(math.frexp(max(-low, high))[1] - _EXACT, self._exponent)
        while _bin(high, exponent) - _bin(low, exponent) >= BINS:
            exponent += 1
        first, last = _bin(low, exponent), _bin(high, exponent)
        if (exponent, first, last - first + 1) == (self._exponent, self._first, len(self.counts)):
            return
        counts = np.zeros(last - first + 1, np.int64)
        merged = (self._first + np.arange(len(self.counts))) >> (exponent - self._exponent)
        np.add.at(counts, merged - first, self.counts)
        self._exponent, self._first, self.counts = exponent, first, counts

    def _count(self, values: npt.NDArray[np.float32]) -> None:
        bins = values * np.float32(math.ldexp(1.0, -self._exponent))
        np.floor(bins, out=bins)
        bins -= np.float32(self._first)
        self.counts += np.bincount(bins.astype(np.intp), minlength=len(self.counts))
        self.zeros += values.size - int(np.count_nonzero(values))

    def _percentile(self) -> tuple[float, float]:
        reached = np.concatenate([[0], np.cumsum(self.counts)]) / self.counts.sum()
        low, high = np.interp([TAIL, 1.0 - TAIL], reached, self.edges)
        return min(float(low), 0.0), max(float(high), 0.0)


class Ranges:
    """Histograms of the tensors of one file, by name."""

    def __init__(self, observer: Observer = "minmax") -> None:
        """Make it for one observer; with any but `minmax`, the others can be asked too."""
        self.observer = observer
        self.plan: QuantizationPlan | None = None
        """Of quantization-aware training, whose ranges go before those found here."""
        self._histograms: dict[str, Histogram] = {}
        self._fixed: dict[str, tuple[float, float]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._histograms

    def __iter__(self) -> Iterator[str]:
        return iter(self._histograms)

    def add(self, name: str, array: "Array") -> None:
        """Count the values of a tensor; see `Histogram.add`."""
        if name not in self._histograms:
            self._histograms[name] = Histogram(name, counted=self.observer != "minmax")
        self._histograms[name].add(array)

    def fixed(self, ends: Mapping[str, tuple[float, float]]) -> "Ranges":
        """Return the same with other ends for some tensors, whatever the observer."""
        found = Ranges(self.observer)
        found.plan, found._histograms, found._fixed = self.plan, self._histograms, dict(ends)
        return found

    def range(
        self, name: str, observer: Observer | None = None, bits: int = 8
    ) -> tuple[float, float]:
        """Return the ends of a tensor's range; see `Histogram.range`.

        Raises:
            DataError: the tensor was not met.
        """
        if name in self._fixed:
            return self._fixed[name]
        if name not in self._histograms:
            raise DataError(f"calibration: no values of {name} were met")
        return self._histograms[name].range(observer or self.observer, bits)


def _bin(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))
