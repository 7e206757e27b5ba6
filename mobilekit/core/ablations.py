"""What the lines of an ablation came to."""

import msgspec


class FileFigures(msgspec.Struct, frozen=True):
    """One file of a line."""

    format: str
    form: str
    size_bytes: int
    latency_ms: float | None
    verdict: str
    figures: dict[str, float]
    """Of its answers to the recipe's test images."""


class LineResult(msgspec.Struct, frozen=True):
    """One line, run once."""

    name: str
    seed: int
    folder: str
    params: int
    params_nonzero: int
    macs: int
    data: tuple[str, ...]
    figures: tuple[dict[str, float], ...]
    """Of the network at the end, on each data set."""
    files: tuple[FileFigures, ...]
    made_of: str = ""
    """Digest of what the network was made of, the file that it began with included."""

    @property
    def megabits(self) -> float:
        """32 bits for each number that is not zero, in millions: the size of Hubens' Table 6.5."""
        return 32 * self.params_nonzero / 1e6


class Ablation(msgspec.Struct, frozen=True):
    """All lines."""

    name: str
    folder: str
    results: tuple[LineResult, ...]
