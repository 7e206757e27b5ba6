"""How many channels stay: widths that a processor's vectors like, or that a measured table prefers."""

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence

STEP = 32
"""Channels of the widest known step: with AVX-512, 33 to 64 filters of 3 × 3 take the same 539 µs."""
SLACK = 0.05
"""Share by which a latency grows within a step; seen: up to 4 % (1 × 1, 17 to 32 filters: 27 to 28 µs)."""


def round_up(kept: int, total: int, multiple: int) -> int:
    """Round the channels that stay up to a multiple, or to all of them.

    >>> round_up(33, 64, 8), round_up(61, 62, 8), round_up(5, 64, 1)
    (40, 62, 5)
    """
    return min(total, math.ceil(kept / multiple) * multiple)


def widest(
    kept: int,
    total: int,
    latencies: Mapping[int, float],
    multiple: int = 1,
    slack: float = SLACK,
) -> int:
    """Return the largest width that takes no longer than the channels that stay.

    What they take is what the least measured width takes that holds them, for a kernel computes whole
    vectors; where that one is `STEP` or more away, a straight line between its neighbours tells. A
    wider layer that was measured faster stands for all narrower ones.

    Args:
        kept: channels that stay, 1 to `total`.
        total: channels that there are.
        latencies: median per measured width, in any unit; less than two widths tell nothing.
        multiple: of which the result is one, or it is `total`.
        slack: share by which a latency may be greater and still count as no longer.

    Returns:
        `kept` to `total`; never less for more channels that stay.

    >>> measured = {32: 0.72, 48: 1.30, 57: 2.04, 64: 2.05}  # ms; where the 33rd costs half as much again
    >>> [widest(kept, 64, measured) for kept in (20, 32, 33, 48, 49, 60)]
    [32, 32, 48, 48, 64, 64]
    >>> widest(33, 64, {})
    33
    """
    least = round_up(kept, total, multiple)
    widths, costs = _rising(latencies)
    if len(widths) < 2:
        return least
    bound = _cost_of(kept, widths, costs)
    if bound is None:
        return least
    found = min(_reach(bound * (1 + slack), widths, costs), total)
    if found < total:
        found -= found % multiple
    return max(found, least)


def added(curves: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Add latencies of layers that have the same width, over the widths that all of them know.

    >>> added([{8: 1.0, 16: 3.0, 24: 4.0}, {8: 1.0, 24: 3.0, 32: 9.0}])
    {8: 2.0, 16: 5.0, 24: 7.0}
    """
    if not curves or not all(curves):
        return {}
    first, last = max(map(min, curves)), min(map(max, curves))
    widths = sorted({width for curve in curves for width in curve if first <= width <= last})
    known = [(sorted(curve), [curve[width] for width in sorted(curve)]) for curve in curves]
    return {width: sum(_between(width, *curve) for curve in known) for width in widths}


def _rising(latencies: Mapping[int, float]) -> tuple[list[int], list[float]]:
    """Return the widths, and what at least so many channels cost: never less for more of them."""
    widths = sorted(latencies)
    backwards = itertools.accumulate((latencies[width] for width in reversed(widths)), min)
    return widths, list(backwards)[::-1]


def _cost_of(kept: int, widths: Sequence[int], costs: Sequence[float]) -> float | None:
    """Return what a width takes, or None beyond what was measured."""
    place = bisect.bisect_left(widths, kept)
    if place == len(widths):
        return None
    if widths[place] - kept < STEP:
        return costs[place]
    return _between(kept, widths, costs) if place else None


def _between(width: int, widths: Sequence[int], costs: Sequence[float]) -> float:
    """Return the cost of a width on the straight line between its measured neighbours."""
    place = bisect.bisect_left(widths, width)
    if widths[place] == width:
        return costs[place]
    share = (width - widths[place - 1]) / (widths[place] - widths[place - 1])
    return costs[place - 1] + share * (costs[place] - costs[place - 1])


def _reach(bound: float, widths: Sequence[int], costs: Sequence[float]) -> int:
    """Return the largest width, measured or between two, whose cost is not above a bound."""
    place = bisect.bisect_right(costs, bound)
    if place in {0, len(widths)}:
        return widths[-1] if place else 0
    share = (bound - costs[place - 1]) / (costs[place] - costs[place - 1])
    return widths[place - 1] + math.floor(share * (widths[place] - widths[place - 1]))
