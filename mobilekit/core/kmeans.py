"""The palette with the least error: k-means of numbers on a line, many rows at once.

On a line each cluster is an interval, so sorted values and running sums are all that Lloyd's steps
need: a step costs `k` binary searches, not `k` distances per value. The start is the best of all
intervals of a coarse histogram where the table is small (dynamic programming, as in Wang and Song,
"Ckmeans.1d.dp", R Journal 2011), and the asymptotically best density of table entries, the cube root of
the density of the values (Panter and Dite 1951), where it is large. Then neighbours are joined and others
split as long as that gains.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from mobilekit.core.intervals import (
    Cuts,
    Floats,
    Sums,
    best_cuts,
    gains,
    means,
    score,
    splits,
    spread_cuts,
    summed,
)

Numbers = npt.NDArray[np.floating[Any]]

STEPS = 200
"""Most of Lloyd's steps; they stop where no boundary moves."""
SEARCHED = 64
"""Largest table that is searched for; larger ones start from the density."""
CODES = 1 << 16
"""Values of float16: the most different ones of a long row."""


def kmeans(values: Numbers, size: int, weights: Numbers | None = None) -> Floats:
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


def nearest(values: Numbers, tables: Numbers) -> Cuts:
    """Return, per row, the index of the table's entry nearest to each value.

    Args:
        values: `[rows, n]`.
        tables: `[rows, size]`, each growing.

    >>> nearest(np.array([[0.0, 3.0]]), np.array([[0.5, 2.0, 4.5]]))
    array([[0, 1]])
    """
    middles = (tables[:, 1:].astype(np.float64) + tables[:, :-1]) / 2
    return np.stack([_places(row, middle) for row, middle in zip(values, middles, strict=True)])


def _places(row: Numbers, middles: Floats) -> Cuts:
    if row.dtype == np.float16 and len(row) >= CODES // 4:
        codes = np.arange(CODES, dtype=np.uint16).view(np.float16).astype(np.float64)
        return np.searchsorted(middles, codes)[row.view(np.uint16)]
    return np.searchsorted(middles, row.astype(np.float64))


def _row(row: Numbers, size: int, weights: Numbers | None) -> Floats:
    sums = summed(*_distinct(row, weights))
    count = len(sums.values)
    if not count:  # nothing weighs anything: any table will do
        return np.zeros(size)
    if count <= size:
        return np.concatenate([sums.values, np.full(size - count, sums.values[-1])])
    start = best_cuts(sums, size) if size <= SEARCHED else spread_cuts(sums, size)
    return means(sums, _exchanged(sums, _lloyd(sums, start)))


def _distinct(row: Numbers, weights: Numbers | None) -> tuple[Floats, Floats]:
    """Return different values, growing, and their weights; of long rows, those of float16's grid.

    Values that share a place of the grid are taken together, at their mean.
    """
    mass = np.ones(len(row)) if weights is None else weights.astype(np.float64)
    every = row.astype(np.float64)
    if len(row) >= CODES // 4:
        codes = _codes(row)
        total = np.bincount(codes, mass, CODES).astype(np.float64)
        moment = np.bincount(codes, mass * every, CODES)
        some = total > 0
        found, total = moment[some] / total[some], total[some]
        order = np.argsort(found)
        return found[order], total[order]
    found, where = np.unique(every, return_inverse=True)
    total = np.bincount(where, mass, len(found)).astype(np.float64)
    return found[total > 0], total[total > 0]


def _codes(row: Numbers) -> npt.NDArray[np.uint16]:
    """Return the bits of each value in float16, after the row's largest size became 1 at most."""
    if row.dtype == np.float16:
        return row.view(np.uint16)
    top = float(np.abs(row).max()) or 1.0
    return (row / row.dtype.type(top)).astype(np.float16).view(np.uint16)


def _lloyd(sums: Sums, cuts: Cuts) -> Cuts:
    """Move cuts between intervals to the middles of their means until none moves.

    Args:
        sums: of the row.
        cuts: `[size + 1]`, from 0 to n; growing.
    """
    for _ in range(STEPS):
        middle = means(sums, cuts)
        moved = cuts.copy()
        moved[1:-1] = np.searchsorted(sums.values, (middle[1:] + middle[:-1]) / 2, side="right")
        if np.array_equal(moved, cuts):
            break
        cuts = moved
    return cuts


def _exchanged(sums: Sums, cuts: Cuts) -> Cuts:
    """Join neighbours that cost little apart and split intervals that gain much, while it helps."""
    best, share = score(sums, cuts), 4
    while share <= len(cuts):
        tried = _moved(sums, cuts, max((len(cuts) - 1) // share, 1))
        if tried is None:
            break
        tried = _lloyd(sums, tried)
        gained = score(sums, tried) - best
        if gained > 0:
            cuts, best = tried, best + gained
        else:
            share *= 2
    return cuts


def _moved(sums: Sums, cuts: Cuts, most: int) -> Cuts | None:
    """Return cuts after `most` exchanges at once, fewer where fewer gain; None where none does."""
    gain, where = splits(sums, cuts)
    before = gains(sums, cuts[:-1], cuts[1:])
    loss = before[1:] + before[:-1] - gains(sums, cuts[:-2], cuts[2:])
    best, least = np.argsort(-gain)[:most], np.argsort(loss)[:most]
    count = min(len(best), len(least))
    better = gain[best[:count]] > loss[least[:count]]
    if not better.any():
        return None
    # Of three neighbours, two may join, and what is split joins none.
    taken = set(best[better].tolist())
    gone: list[int] = []
    for pair in least.tolist():
        if pair not in taken and pair + 1 not in taken:
            gone.append(pair + 1)
            taken |= {pair, pair + 1}
    count = min(len(gone), int(better.sum()))
    if count == 0:
        return None
    kept = np.delete(cuts, gone[:count])
    return np.sort(np.concatenate([kept, where[best[:count]]]))
