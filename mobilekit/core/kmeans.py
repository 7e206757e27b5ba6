"""The palette with the least error: k-means of numbers on a line, many rows at once.

On a line each cluster is an interval, so sorted values and running sums are all that Lloyd's steps
need: a step costs `k` binary searches, not `k` distances per value. The start is the best of all
intervals of a coarse histogram where the table is small (dynamic programming, as in Wang and Song,
"Ckmeans.1d.dp", R Journal 2011), and the asymptotically best density of table entries, the cube root of
the density of the values (Panter and Dite 1951), where it is large.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.intp]

STEPS = 200
"""Most of Lloyd's steps; they stop where no boundary moves."""
COARSE = 384
"""Bins of the histogram whose intervals are searched through."""
SEARCHED = 16
"""Largest table that is searched for; larger ones start from the density."""
CODES = 1 << 16
"""Most different values of a row, as many as float16 has; more are binned."""


class Sums(NamedTuple):
    """Sorted values of one row, with running sums of their weights and moments."""

    values: Floats
    """`[n]`, growing."""
    weight: Floats
    """`[n + 1]`: sum of the weights of the first i values."""
    moment: Floats
    """`[n + 1]`: sum of weight times value."""


def kmeans(
    values: npt.NDArray[np.floating], size: int, weights: npt.NDArray[np.floating] | None = None
) -> Floats:
    """Return, per row, the table of values with least squared error, growing.

    Args:
        values: `[rows, n]`.
        size: entries of a table; where a row has no more different values, they are the table.
        weights: `[rows, n]`, of the squared errors; 1 for all where None.

    Returns:
        `[rows, size]`.

    >>> kmeans(np.array([[0.0, 1.0, 9.0, 11.0]]), 2)
    array([[ 0.5, 10. ]])
    """
    return np.stack(
        [
            _row(row, size, None if weights is None else weights[index])
            for index, row in enumerate(values)
        ]
    )


def nearest(values: npt.NDArray[np.floating], tables: npt.NDArray[np.floating]) -> Whole:
    """Return, per row, the index of the table's entry nearest to each value.

    Args:
        values: `[rows, n]`.
        tables: `[rows, size]`, each growing.

    >>> nearest(np.array([[0.0, 3.0]]), np.array([[0.5, 2.0, 4.5]]))
    array([[0, 1]])
    """
    middles = (tables[:, 1:].astype(np.float64) + tables[:, :-1]) / 2
    return np.stack([_places(row, middle) for row, middle in zip(values, middles, strict=True)])


def _places(row: npt.NDArray[np.floating], middles: Floats) -> Whole:
    if row.dtype == np.float16 and len(row) >= CODES // 4:
        codes = np.arange(CODES, dtype=np.uint16).view(np.float16).astype(np.float64)
        return np.searchsorted(middles, codes)[row.view(np.uint16)]
    return np.searchsorted(middles, row.astype(np.float64))


def _row(
    row: npt.NDArray[np.floating], size: int, weights: npt.NDArray[np.floating] | None
) -> Floats:
    sums = _sums(*_distinct(row, weights))
    count = len(sums.values)
    if count <= size:
        return np.concatenate([sums.values, np.full(size - count, sums.values[-1])])
    if size <= SEARCHED:
        return _means(sums, _lloyd(sums, _searched(sums, size)))
    return _means(sums, _exchanged(sums, _lloyd(sums, _spread(sums, size))))


def _distinct(
    row: npt.NDArray[np.floating], weights: npt.NDArray[np.floating] | None
) -> tuple[Floats, Floats]:
    """Return different values, growing, and their weights; means of bins where there are too many."""
    if row.dtype == np.float16 and len(row) >= CODES // 4:
        mass = np.bincount(row.view(np.uint16), weights, CODES)
        codes = np.flatnonzero(mass)
        every, mass = codes.astype(np.uint16).view(np.float16).astype(np.float64), mass[codes]
    else:
        every = row.astype(np.float64)
        mass = np.ones(len(every)) if weights is None else weights.astype(np.float64)
    found, where = np.unique(every, return_inverse=True)
    total = np.bincount(where, mass)
    if len(found) > CODES:
        edges = np.linspace(found[0], found[-1], CODES + 1)[1:-1]
        bins = np.searchsorted(edges, found, side="right")
        moment, total = np.bincount(bins, total * found, CODES), np.bincount(bins, total, CODES)
        found = np.divide(moment, total, out=np.zeros(CODES), where=total > 0)
    return found[total > 0], total[total > 0]


def _sums(values: Floats, mass: Floats) -> Sums:
    return Sums(
        values,
        np.concatenate([[0.0], np.cumsum(mass)]),
        np.concatenate([[0.0], np.cumsum(mass * values)]),
    )


def _lloyd(sums: Sums, cuts: Whole) -> Whole:
    """Move cuts between intervals to the middles of their means until none moves.

    Args:
        sums: of the row.
        cuts: `[size + 1]`, from 0 to n; growing.
    """
    for _ in range(STEPS):
        means = _means(sums, cuts)
        moved = cuts.copy()
        moved[1:-1] = np.searchsorted(sums.values, (means[1:] + means[:-1]) / 2, side="right")
        if np.array_equal(moved, cuts):
            break
        cuts = moved
    return cuts


def _exchanged(sums: Sums, cuts: Whole) -> Whole:
    """Join neighbours that cost little apart and split intervals that gain much, while it helps."""
    score, share = _score(sums, cuts), 4
    while share <= len(cuts):
        tried = _moved(sums, cuts, max((len(cuts) - 1) // share, 1))
        if tried is None:
            break
        tried = _lloyd(sums, tried)
        gained = _score(sums, tried) - score
        if gained > 0:
            cuts, score = tried, score + gained
        else:
            share *= 2
    return cuts


def _moved(sums: Sums, cuts: Whole, most: int) -> Whole | None:
    """Return cuts after `most` exchanges at once, fewer where fewer gain; None where none does."""
    gain, where = _splits(sums, cuts)
    before = _gains(sums, cuts[:-1], cuts[1:])
    loss = before[1:] + before[:-1] - _gains(sums, cuts[:-2], cuts[2:])
    best, least = np.argsort(-gain)[:most], np.argsort(loss)[:most]
    count = min(len(best), len(least))
    better = gain[best[:count]] > loss[least[:count]]
    if not better.any():
        return None
    # A split interval keeps its ends: only inner cuts between untouched neighbours go.
    busy = set(best[better].tolist())
    gone = [int(pair) + 1 for pair in least if pair not in busy and pair + 1 not in busy]
    gone = [cut for cut in gone if cut - 1 not in gone or cut in gone[: gone.index(cut - 1)]]
    count = min(len(gone), int(better.sum()))
    if count == 0:
        return None
    kept = np.delete(cuts, gone[:count])
    return np.sort(np.concatenate([kept, where[best[:count]]]))


def _splits(sums: Sums, cuts: Whole) -> tuple[Floats, Whole]:
    """Return, for each interval, what its best split gains, and where it is."""
    owner = np.repeat(np.arange(len(cuts) - 1), np.diff(cuts))
    inner = np.arange(len(owner))  # a cut before value i
    start, end = cuts[owner], cuts[owner + 1]
    gain = _gains(sums, start, inner) + _gains(sums, inner, end) - _gains(sums, start, end)
    filled = np.flatnonzero(np.diff(cuts))
    top = np.maximum.reduceat(gain, cuts[filled])
    found, where = np.zeros(len(cuts) - 1), cuts[:-1].copy()
    found[filled] = top
    hits = np.flatnonzero(gain == found[owner])
    where[owner[hits][::-1]] = hits[::-1]
    return found, where


def _gains(sums: Sums, start: Whole, end: Whole) -> Floats:
    """Return moment² / mass of intervals: their squared error is the rest of their energy."""
    mass = sums.weight[end] - sums.weight[start]
    moment = sums.moment[end] - sums.moment[start]
    return np.divide(moment**2, mass, out=np.zeros(len(mass)), where=mass > 0)


def _score(sums: Sums, cuts: Whole) -> float:
    return float(_gains(sums, cuts[:-1], cuts[1:]).sum())


def _means(sums: Sums, cuts: Whole) -> Floats:
    """Return the mean of each interval; an empty one has the value at its cut."""
    mass = np.diff(sums.weight[cuts])
    there = sums.values[np.minimum(cuts[:-1], len(sums.values) - 1)]
    return np.divide(np.diff(sums.moment[cuts]), mass, out=there.copy(), where=mass > 0)


def _spread(sums: Sums, size: int) -> Whole:
    """Return cuts after which each interval has as much of the cube root of the density."""
    width = np.diff(_edges(sums.values))
    mass = np.diff(sums.weight)
    roots = np.cumsum(np.cbrt(mass * width**2))
    cuts = np.searchsorted(roots, roots[-1] * np.arange(size + 1) / size, side="right")
    cuts[0], cuts[-1] = 0, len(mass)
    return _growing(cuts, len(mass))


def _edges(values: Floats) -> Floats:
    middles = (values[1:] + values[:-1]) / 2
    first, last = 2 * values[0] - middles[0], 2 * values[-1] - middles[-1]
    return np.concatenate([[first], middles, [last]])


def _growing(cuts: Whole, count: int) -> Whole:
    """Part cuts that fall together: each interval gets a value, as there are more than intervals."""
    steps = np.arange(len(cuts))
    up = np.maximum.accumulate(cuts - steps) + steps
    return np.minimum(up, count - steps[::-1])


def _searched(sums: Sums, size: int) -> Whole:
    """Return the best cuts among those of a coarse histogram, by dynamic programming."""
    count = len(sums.values)
    marks = np.arange(count + 1) if count <= COARSE else _spread(sums, COARSE)
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
    return marks[np.array([0, *cuts[::-1]])]
