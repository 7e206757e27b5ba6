"""Which of many numbers are the lowest: exactly as many as asked for, of equal ones the later."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilekit.core.errors import ModelError

SMALL = 1 << 16
"""Numbers up to which none are sampled."""
_SAMPLE = 1 << 17
_ROUNDED = 4 * sys.float_info.epsilon
"""Of 29 % of 100 million the product in floats is below 29 million."""
_SPREAD = 4.0
"""Standard deviations of the sample's rank by which the bracket is wider."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of the scores that is computed when it is looked at, so that never all are in memory."""

    size: int
    scores: Callable[[slice], Tensor]
    """Of a slice of them, shape `[n]`."""
    mark: Tensor | None = None
    """Where to write whether each is among the lowest, bool, shape `[n]`; a new tensor without it."""

    @classmethod
    def of(cls, scores: Tensor) -> "Piece":
        """Return scores that are there already, shape `[n]`."""
        return cls(len(scores), lambda part: scores[part])


def count_of(sparsity: float, total: int) -> int:
    """Return ⌊sparsity · total⌋, the number of groups that go.

    >>> count_of(0.29, 100), count_of(0.5, 3)
    (29, 1)
    """
    return int(sparsity * total * (1 + _ROUNDED) + 1e-9)


def lowest_of_all(pieces: Sequence[Piece], count: int) -> list[Tensor]:
    """Mark the `count` lowest of all scores together.

    The count-th number is looked for between two of a sample's, without sorting, and without joining the
    scores; the answer is exact whatever the sample.

    Args:
        pieces: of one dtype and device.
        count: 0 to their number.

    Returns:
        Whether each is among them, bool, shape `[n]` per piece.

    Raises:
        ModelError: a score is not a number.

    >>> pieces = Piece.of(torch.tensor([1.0, 3.0])), Piece.of(torch.tensor([1.0]))
    >>> [marks.tolist() for marks in lowest_of_all(pieces, 1)]
    [[False, False], [True]]
    """
    total = sum(piece.size for piece in pieces)
    assert 0 <= count <= total  # noqa: S101  by count_of
    if total > SMALL and 0 < count < total:
        found = _marked(pieces, count, *_bracket(pieces, count, total))
        if found is not None:
            return found
    found = _marked(pieces, count, -torch.inf, torch.inf)
    assert found is not None  # noqa: S101  everything is between
    return found


def _marked(pieces: Sequence[Piece], count: int, low: float, high: float) -> list[Tensor] | None:
    """Mark the lowest, of which the last is looked for from low to high; None if it is not there."""
    marks: list[Tensor] = []
    lengths: list[int] = []
    room = sum(piece.size for piece in pieces) // (64 if low > -torch.inf else 1)
    places, values = _Gathered(room), _Gathered(room)
    tied = 0
    for piece in pieces:
        scores = piece.scores(slice(None))
        below = torch.lt(scores, low, out=piece.mark)
        inside = ~((scores <= low) | (scores > high))  # what is not a number stays in, and is found
        where = inside.nonzero().squeeze(1)
        tied += int((scores == low).count_nonzero())
        marks.append(below)
        lengths.append(len(where))
        places.add(where)
        values.add(scores[where])
    between = values.all()
    if bool(between.isnan().any()):
        raise ModelError(
            "the scores of the weights are not all numbers: a weight or a gradient is NaN"
        )
    missing = count - sum(int(mark.count_nonzero()) for mark in marks)
    if not 0 <= missing <= tied + len(between):
        return None
    _mark_equal(pieces, marks, low, min(missing, tied))
    gone = _lowest(between, max(missing - tied, 0)).split(lengths)  # type: ignore[no-untyped-call]
    wheres = places.all().split(lengths)  # type: ignore[no-untyped-call]
    for mark, where, part in zip(marks, wheres, gone, strict=True):
        mark[where[part]] = True
    return marks


class _Gathered:
    """Numbers that come in parts, in one block of memory: small ones would break up the large blocks."""

    def __init__(self, room: int) -> None:
        self._room, self._size = max(room, 1), 0
        self._block: Tensor | None = None

    def add(self, part: Tensor) -> None:
        """Take more of them."""
        end = self._size + len(part)
        if self._block is None:
            self._block = part.new_empty(max(self._room, end))
        elif end > len(self._block):
            self._block = torch.cat([self._block, part.new_empty(end)])
        self._block[self._size : end] = part
        self._size = end

    def all(self) -> Tensor:
        """Return them, shape `[n]`."""
        assert self._block is not None  # noqa: S101  there is a piece
        return self._block[: self._size]


def _mark_equal(pieces: Sequence[Piece], marks: Sequence[Tensor], value: float, count: int) -> None:
    """Mark the last `count` scores that are equal to a value."""
    for piece, mark in zip(reversed(pieces), reversed(marks), strict=True):
        if count <= 0:
            return
        equal = piece.scores(slice(None)) == value
        here = int(equal.count_nonzero())
        if here > count:
            places = equal.nonzero().squeeze(1)
            equal[places[: here - count]] = False
        mark.logical_or_(equal)
        count -= here


def _lowest(scores: Tensor, count: int) -> Tensor:
    """Mark the lowest of some numbers, shape `[n]`."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    limit = scores.kthvalue(count).values
    mark = scores < limit
    ties = (scores == limit).nonzero().squeeze(1)
    mark[ties[len(ties) - (count - int(mark.count_nonzero())) :]] = True
    return mark


def _bracket(pieces: Sequence[Piece], count: int, total: int) -> tuple[float, float]:
    """Return two numbers between which the count-th lowest most likely lies."""
    step = max(total // min(_SAMPLE, max(total >> 6, 1 << 12)), 1)
    parts = slice(step // 2, None, step)
    sample = torch.cat([piece.scores(parts) for piece in pieces])
    sample = sample.nan_to_num(torch.inf, torch.inf, -torch.inf).sort().values
    size, share = len(sample), count / total
    margin = _SPREAD * (share * (1 - share) * size) ** 0.5 + 2
    first, last = int(share * size - margin), int(share * size + margin)
    low = float(sample[first]) if 0 <= first < size else -torch.inf
    high = float(sample[last]) if last < size else torch.inf
    return low, high
