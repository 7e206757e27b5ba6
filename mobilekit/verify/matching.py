"""Which value of the network a file's value is, found by the values themselves.

Converters rename, fuse, reorder and transpose; names do not survive, values do. A value of the
file is *good* where some value of the network equals it within the bound, whatever the order of
axes. What is not good is either without a counterpart (inside a fused operator) or wrong. It is
wrong where nothing computed from it is good either: an error goes on, a detour does not.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilekit.verify.intermediates import FileValue, NetworkValue
from mobilekit.verify.tolerance import FACTOR

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.float64]
    Floats = npt.NDArray[np.floating[Any]]

UNRELATED = 0.9
"""Relative error from which two values have nothing to do with each other (independent: √2)."""
MOST_AXES = 5
LEAST_PER_CHANNEL = 4
MOVERS = {
    "PAD", "PADV2", "MIRROR_PAD", "TRANSPOSE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST",
    "DEQUANTIZE", "QUANTIZE", "SLICE", "STRIDED_SLICE", "CONCATENATION", "PACK", "SPLIT",
    "pad", "transpose", "reshape", "squeeze", "expand_dims", "cast", "quantize", "dequantize",
    "slice_by_index", "slice_by_size", "concat", "split",
}  # fmt: skip
"""Operators that only move values: where one has no counterpart, the next one is judged."""


@dataclass(frozen=True)
class Difference:
    """How a file's value differs from a network's, over the values finite in both."""

    relative_l2: float
    max_abs: float
    non_finite: int = 0


@dataclass(frozen=True)
class Match:
    """The counterpart of a file's value: its place among the network's values."""

    place: int
    difference: Difference
    bound: float

    @property
    def good(self) -> bool:
        """Within the bound, and finite wherever the network is."""
        return not self.difference.non_finite and self.difference.relative_l2 <= self.bound


@dataclass(frozen=True)
class _Known:
    """A network's value with what bounds its distance from others at once."""

    shape: tuple[int, ...]
    size: int
    values: "Values"
    norm: float
    total: float
    bound: float


def match(
    file: list[FileValue], network: list[NetworkValue], bound: float, precision: str
) -> tuple[list[Match | None], list[bool]]:
    """Find the counterpart of each of a file's values.

    Args:
        file: the file's values, each after those it is computed from.
        network: the network's values, in order.
        bound: greatest relative L2 error of a good value; where PyTorch's own error at this
            precision is larger, the bound of that value is FACTOR times it.
        precision: float32 or float16.

    Returns:
        Per value of the file: its counterpart, None where it has none or needs none; and whether
        it is cleared, which is to say good itself, or used for a value that is.
    """
    known = [_known(value, bound, precision) for value in network]
    places = {value.node: place for place, value in enumerate(network)}
    equals = [_equals(value, known, places) for value in file]
    good = [min(found, key=_order, default=None) for found in equals]
    cleared = _cleared(file, good)
    taken = {found.place for group in equals for found in group}
    floors: list[int] = []
    matches: list[Match | None] = []
    for value, found, clear in zip(file, good, cleared, strict=True):
        floor = max((floors[source] for source in value.sources), default=-1)
        counterpart = found
        if found is None and value.pinned in places:
            counterpart = _compared(value, places[value.pinned], known)
        elif found is None and not clear:
            moved = value.operator in MOVERS  # its counterpart may be that of what it moves
            later = range(max(floor, 0) if moved else floor + 1, len(known))
            free = [place for place in later if moved or place not in taken]
            counterpart = _likeliest(value, known, free)
        floors.append(found.place if found is not None else floor)
        matches.append(counterpart)
    return matches, cleared


def difference(reference: "Values", actual: "Values") -> Difference:
    """Compare two arrays of one shape.

    >>> difference(np.array([3.0, 4.0]), np.array([3.0, 3.0]))
    Difference(relative_l2=0.2, max_abs=1.0, non_finite=0)
    """
    same = (reference == actual) | (np.isnan(reference) & np.isnan(actual))
    finite = np.isfinite(reference) & np.isfinite(actual)
    error = actual[finite] - reference[finite]
    norm = float(np.linalg.norm(reference[finite]))
    length = float(np.linalg.norm(error))
    relative = length / norm if norm else float(length > 0)
    worst = float(np.abs(error).max(initial=0.0))
    return Difference(relative, worst, int((~finite & ~same).sum()))


def arrangements(array: "Values", shape: tuple[int, ...]) -> "Iterator[Values]":
    """Give the array in each order of axes that fits `shape`, axes of size 1 left out.

    Where only the number of values is the same, the values in order, and with the channels first.

    >>> [a.tolist() for a in arrangements(np.array([[1.0, 2, 3]]), (1, 3, 1))]
    [[1.0, 2.0, 3.0]]
    >>> [a.tolist() for a in arrangements(np.array([[1.0, 2], [3, 4]]), (4,))]
    [[1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]]
    """
    wanted = _squeezed(shape)
    plain = array.reshape(_squeezed(array.shape))
    if sorted(plain.shape) == sorted(wanted) and plain.ndim <= MOST_AXES:
        for order in itertools.permutations(range(plain.ndim)):
            if tuple(plain.shape[axis] for axis in order) == wanted:
                yield plain.transpose(order)
        return
    yield plain.reshape(wanted)
    if plain.ndim > 1:
        yield np.moveaxis(plain, -1, 0).reshape(wanted)
    if len(wanted) > 1:
        last = np.moveaxis(np.empty(wanted, bool), 0, -1).shape
        yield np.moveaxis(plain.reshape(last), -1, 0)


def scaled(reference: "Floats", actual: "Floats", bound: float) -> bool:
    """Say whether a value is the network's but for a factor and an offset per channel.

    Converters fold the scale and shift of a normalization into the next layer's weights; what is
    left between is such a value. At least four values per channel are needed to tell.
    """
    wide = reference.astype(np.float64)
    for arranged in arrangements(actual.astype(np.float64), reference.shape):
        wanted = wide.reshape(arranged.shape)
        for axis, channels in enumerate(arranged.shape):
            if channels * LEAST_PER_CHANNEL > wanted.size:
                continue
            x, y = (np.moveaxis(v, axis, 0).reshape(channels, -1) for v in (wanted, arranged))
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                return False
            x, y = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
            energy = (x * x).sum(axis=1, keepdims=True)
            factor = (x * y).sum(axis=1, keepdims=True) / np.where(energy > 0, energy, 1.0)
            if np.linalg.norm(y - factor * x) <= bound * np.linalg.norm(y):
                return True
    return False


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _known(value: NetworkValue, bound: float, precision: str) -> _Known:
    wide = value.array.astype(np.float64).reshape(_squeezed(value.array.shape))
    norm, total = _norm_and_sum(wide)
    own = max(bound, FACTOR[precision] * value.own_error)
    return _Known(value.array.shape, wide.size, wide, norm, total, own)


def _norm_and_sum(values: "Values") -> tuple[float, float]:
    with np.errstate(invalid="ignore"):
        return float(np.linalg.norm(values)), float(values.sum())


def _equals(value: FileValue, known: list[_Known], places: dict[str, int]) -> list[Match]:
    """Return the network's values that equal this one: moving or dropping out changes none."""
    if value.pinned in places:
        compared = [_compared(value, places[value.pinned], known)]
    else:
        near = [
            place
            for least, place in _nearest(value, known, range(len(known)))
            if least <= known[place].bound
        ]
        compared = [_compared(value, place, known) for place in near]
    return [found for found in compared if found is not None and found.good]


def _order(found: Match) -> tuple[float, int]:
    return found.difference.relative_l2, found.place


def _likeliest(value: FileValue, known: list[_Known], places: list[int]) -> Match | None:
    """Return the counterpart of a value that equals none: the nearest in value, else in order.

    Values with other sizes of axes count only where none has the same.
    """
    sizes = sorted(_squeezed(value.array.shape))
    alike = [place for place in places if sorted(_squeezed(known[place].shape)) == sizes]
    best: Match | None = None
    for least, place in _nearest(value, known, alike or places):
        if best is not None and least >= best.difference.relative_l2:
            break
        found = _compared(value, place, known)
        if _closer(found, best):
            best = found
    if best is None or best.difference.relative_l2 < UNRELATED:
        return best
    if value.operator in MOVERS:
        return None
    return _compared(value, alike[0], known) if alike else best


def _closer(found: Match | None, best: Match | None) -> bool:
    if found is None:
        return False
    return best is None or found.difference.relative_l2 < best.difference.relative_l2


def _nearest(
    value: FileValue, known: list[_Known], places: "range | list[int]"
) -> list[tuple[float, int]]:
    """List the places of equal size with the least error that norms and sums allow, in order.

    ‖a − b‖ ≥ |‖a‖ − ‖b‖|, and by Cauchy and Schwarz ‖a − b‖ ≥ |Σa − Σb| / √n; both hold for any
    order of axes.
    """
    wide = value.array.astype(np.float64)
    norm, total = _norm_and_sum(wide)
    found = []
    for place in places:
        other = known[place]
        if other.size != wide.size or not other.norm:
            continue
        least = max(abs(norm - other.norm), abs(total - other.total) / math.sqrt(wide.size))
        found.append((least / other.norm if math.isfinite(least) else 0.0, place))
    return sorted(found)


def _compared(value: FileValue, place: int, known: list[_Known]) -> Match | None:
    """Compare in each order of axes that fits; the best counts. None where the sizes differ."""
    other = known[place]
    if other.size != value.array.size:
        return None
    wide = value.array.astype(np.float64)
    best: Difference | None = None
    for arranged in arrangements(wide, other.shape):
        found = difference(other.values, arranged)
        if best is None or (found.non_finite, found.relative_l2) < (
            best.non_finite,
            best.relative_l2,
        ):
            best = found
        if best.relative_l2 <= other.bound:
            break
    return None if best is None else Match(place, best, other.bound)


def _cleared(file: list[FileValue], good: list[Match | None]) -> list[bool]:
    """Say which values are good, lead to a good one, or are needed for nothing."""
    users: list[list[int]] = [[] for _ in file]
    for place, value in enumerate(file):
        for source in value.sources:
            users[source].append(place)
    cleared = [False] * len(file)
    for place in reversed(range(len(file))):
        if good[place] is not None or file[place].pinned:
            cleared[place] = good[place] is not None
        else:
            reached = any(cleared[user] for user in users[place])
            cleared[place] = reached or not file[place].needed
    return cleared
