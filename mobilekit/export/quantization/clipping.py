"""Where to clip the values of a histogram so that integers between the ends lose least.

A histogram is its counts `[bins]` and the edges `[bins + 1]` of its bins, evenly spaced, 0 among them.
"""

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ENDS = 256
"""Ends tried on each side of 0 for the least error."""
SHRINKS = 48
"""Ends tried on each side of 0 for the least divergence."""
_NONE = 1e-12


def least_error(counts: Counts, edges: Floats, zeros: int, steps: int) -> tuple[float, float]:
    """Return the ends with the least expected squared error, `(low ≤ 0, high ≥ 0)`.

    A value inside errs by step²/12 on average, 0 not at all, one outside by its distance to the end.

    Args:
        counts: `[bins]`.
        edges: `[bins + 1]`.
        zeros: values that are exactly 0.
        steps: between the ends, one less than there are integers.

    >>> edges = np.arange(-4.0, 5.0)
    >>> least_error(np.array([0, 0, 9, 9, 9, 9, 0, 0]), edges, zeros=0, steps=255)
    (-2.0, 2.0)
    """
    zero = _zero(edges)
    lows, highs = _spread(0, zero), _spread(zero, len(counts))
    above = _beyond(counts, edges)[highs]
    below = _beyond(counts[::-1], -edges[::-1])[::-1][lows]
    reached = np.concatenate([[0], np.cumsum(counts)])
    inside = np.maximum(reached[highs][None, :] - reached[lows][:, None] - zeros, 0)
    spans = edges[highs][None, :] - edges[lows][:, None]
    error = inside * (spans / steps) ** 2 / 12.0 + above[None, :] + below[:, None]
    row, column = divmod(int(np.argmin(np.where(spans > 0.0, error, np.inf))), len(highs))
    return float(edges[lows[row]]), float(edges[highs[column]])


def least_divergence(counts: Counts, edges: Floats, zeros: int, steps: int) -> tuple[float, float]:
    """Return the ends with the least Kullback-Leibler divergence, `(low ≤ 0, high ≥ 0)`.

    Migacz, "8-bit inference with TensorRT" (2017): P is what lies between the ends, with what lies
    outside added to the outermost bins; Q is P's inside, merged into as many levels as there are steps
    and spread again over the bins that are not empty. There: one end, of absolute values. Here: the
    further end first, then the other, then the further again.

    Args:
        counts: `[bins]`.
        edges: `[bins + 1]`.
        zeros: values that are exactly 0; they are left out.
        steps: between the ends.
    """
    zero = _zero(edges)
    counts = counts.copy()
    if zero < len(counts):
        counts[zero] -= zeros
    low, high = 0, len(counts)
    upper_first = high - zero >= zero
    for upper in (upper_first, not upper_first, upper_first):
        if upper:
            tried = [(low, end) for end in _shrunk(zero, max(zero, low + steps), len(counts))]
        else:
            tried = [(end, high) for end in _shrunk(zero, min(zero, high - steps), 0)]
        low, high = min(
            tried or [(low, high)], key=lambda ends: _divergence(counts, *ends, levels=steps)
        )
    return float(edges[low]), float(edges[high])


def _shrunk(zero: int, nearest: int, outermost: int) -> list[int]:
    """Return ends from the outermost bin to the nearest to 0, none where there are too few bins."""
    if abs(outermost - zero) <= abs(nearest - zero):
        return []
    return [int(end) for end in np.linspace(outermost, nearest, SHRINKS).round()]


def _divergence(counts: Counts, first: int, last: int, *, levels: int) -> float:
    """Return KL(P ‖ Q) in nats for the bins from `first` to before `last`."""
    inside = counts[first:last].astype(np.float64)
    wanted = inside.copy()
    wanted[0] += counts[:first].sum()
    wanted[-1] += counts[last:].sum()
    total, kept = wanted.sum(), inside.sum()
    if kept == 0.0:
        return np.inf if total else 0.0
    level = (2 * np.arange(len(inside)) + 1) * levels // (2 * len(inside))
    filled = inside > 0
    sums = np.bincount(level, inside)
    spread = np.where(filled, (sums / np.maximum(np.bincount(level, filled), 1))[level], 0.0)
    some = wanted > 0
    ratio = (wanted[some] / total) / np.maximum(spread[some] / kept, _NONE)
    return float((wanted[some] / total * np.log(ratio)).sum())


def _beyond(counts: Counts, edges: Floats) -> Floats:
    """Return Σ (value − edge)² over the values above each edge, evenly spread within bins."""
    width = edges[1] - edges[0]
    centres = (edges[:-1] + edges[1:]) / 2.0
    above: list[Floats] = [
        np.concatenate([np.cumsum((counts * power)[::-1])[::-1], [0.0]])
        for power in (np.ones_like(centres), centres, centres**2 + width**2 / 12.0)
    ]
    return above[2] - 2.0 * edges * above[1] + edges**2 * above[0]


def _spread(first: int, last: int) -> npt.NDArray[np.int64]:
    ends: npt.NDArray[np.int64] = np.unique(
        np.linspace(first, last, min(ENDS, last - first) + 1).round().astype(np.int64)
    )
    return ends


def _zero(edges: Floats) -> int:
    return int(np.argmin(np.abs(edges)))
