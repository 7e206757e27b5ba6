"""Numbers on a line cut into intervals: their means, what they lose, and good cuts to start from.

A cut is an index into sorted values; `[size + 1]` cuts from 0 to n, growing, make `size` intervals.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Cuts = npt.NDArray[np.int64]

COARSE = 128
"""Fewest bins of the histogram whose intervals are searched through; there are 4 per entry."""


class Sums(NamedTuple):
    """Sorted values of one row, with running sums of their weights and moments."""

    values: Floats
    """`[n]`, growing."""
    weight: Floats
    """`[n + 1]`: sum of the weights of the first i values."""
    moment: Floats
    """`[n + 1]`: sum of weight times value."""


def summed(values: Floats, mass: Floats) -> Sums:
    """Return the sums of values, growing, with their weights."""
    return Sums(
        values,
        np.concatenate([[0.0], np.cumsum(mass)]),
        np.concatenate([[0.0], np.cumsum(mass * values)]),
    )


def means(sums: Sums, cuts: Cuts) -> Floats:
    """Return the mean of each interval; an empty one has the value at its cut."""
    mass = np.diff(sums.weight[cuts])
    there = sums.values[np.minimum(cuts[:-1], len(sums.values) - 1)]
    return np.divide(np.diff(sums.moment[cuts]), mass, out=there.copy(), where=mass > 0)


def gains(sums: Sums, start: Cuts, end: Cuts) -> Floats:
    """Return moment² / mass of intervals: their squared error is the rest of their energy."""
    mass = sums.weight[end] - sums.weight[start]
    moment = sums.moment[end] - sums.moment[start]
    return np.divide(moment**2, mass, out=np.zeros(len(mass)), where=mass > 0)


def score(sums: Sums, cuts: Cuts) -> float:
    """Return what all intervals gain together: the greater, the less the error."""
    return float(gains(sums, cuts[:-1], cuts[1:]).sum())


def splits(sums: Sums, cuts: Cuts) -> tuple[Floats, Cuts]:
    """Return, for each interval, what its best split gains, and where it is."""
    owner = np.repeat(np.arange(len(cuts) - 1), np.diff(cuts))
    inner = np.arange(len(owner))  # a cut before value i
    start, end = cuts[owner], cuts[owner + 1]
    gain = gains(sums, start, inner) + gains(sums, inner, end) - gains(sums, start, end)
    filled = np.flatnonzero(np.diff(cuts))
    top = np.maximum.reduceat(gain, cuts[filled])
    found, where = np.zeros(len(cuts) - 1), cuts[:-1].copy()
    found[filled] = top
    hits = np.flatnonzero(gain == found[owner])
    where[owner[hits][::-1]] = hits[::-1]
    return found, where


def spread_cuts(sums: Sums, size: int) -> Cuts:
    """Return cuts after which each interval has as much of the cube root of the density."""
    width = np.diff(_edges(sums.values))
    mass = np.diff(sums.weight)
    roots = np.cumsum(np.cbrt(mass * width**2))
    cuts = np.searchsorted(roots, roots[-1] * np.arange(size + 1) / size, side="right")
    cuts[0], cuts[-1] = 0, len(mass)
    return _growing(cuts, len(mass))


def best_cuts(sums: Sums, size: int) -> Cuts:
    """Return the best cuts among those of a coarse histogram, by dynamic programming."""
    count = len(sums.values)
    bins = max(COARSE, 4 * size)
    marks = np.arange(count + 1) if count <= bins else spread_cuts(sums, bins)
    mass, moment = sums.weight[marks], sums.moment[marks]
    # The squares of the values are the same for all cuts: only −moment² / mass tells them apart.
    apart = mass[None, :] - mass[:, None]
    gain = np.full(apart.shape, -np.inf)
    np.divide((moment[None, :] - moment[:, None]) ** 2, apart, out=gain, where=apart > 0)
    gain[np.tril_indices(len(marks))] = -np.inf
    best = gain[0]
    chosen = []
    for _ in range(size - 1):
        through = best[:, None] + gain
        chosen.append(np.argmax(through, axis=0))
        best = np.take_along_axis(through, chosen[-1][None], axis=0)[0]
    cuts = [len(marks) - 1]
    for choice in reversed(chosen):
        cuts.append(int(choice[cuts[-1]]))
    found: Cuts = marks[np.array([0, *cuts[::-1]])]
    return found


def _edges(values: Floats) -> Floats:
    middles = (values[1:] + values[:-1]) / 2
    first, last = 2 * values[0] - middles[0], 2 * values[-1] - middles[-1]
    return np.concatenate([[first], middles, [last]])


def _growing(cuts: Cuts, count: int) -> Cuts:
    """Part cuts that fall together: each interval gets a value, as there are more than intervals."""
    steps = np.arange(len(cuts))
    up = np.maximum.accumulate(cuts - steps) + steps
    return np.minimum(up, count - steps[::-1])
