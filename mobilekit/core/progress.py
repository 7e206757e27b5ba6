"""A line of progress that knows how far something has come."""

from typing import Self


class Advance(str):
    """What is going on, in words, and how much of it is done; who takes lines takes it as one.

    Args:
        words: as of any line of progress.
        done: how much is, 0 to `total`; at `total` the words are those of the result.
        total: how much there is, above 0.

    >>> half = Advance("epoch 1 of 2", 5, 10)
    >>> half, half.done / half.total, half.ended
    ('epoch 1 of 2', 0.5, False)
    """

    __slots__ = ("done", "total")
    done: int
    total: int

    def __new__(cls, words: str, done: int, total: int) -> Self:
        """Make a line."""
        made = super().__new__(cls, words)
        made.done, made.total = done, total
        return made

    @property
    def ended(self) -> bool:
        """Whether all of it is done."""
        return self.done >= self.total
