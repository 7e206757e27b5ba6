"""A training as tables: its epochs, and those that are worth choosing."""

from collections.abc import Mapping, Sequence

from mobilekit.core.histories import Epoch
from mobilekit.report import words

Row = dict[str, str]

WEIGHTS = "weights"


def epoch_columns(metric: str, figures: Sequence[str]) -> tuple[str, ...]:
    """Return the headings of the epochs."""
    return ("epoch", metric, "loss", *figures)


def epoch_rows(epochs: Sequence[Epoch], metric: str, figures: Sequence[str]) -> list[Row]:
    """Return one row per epoch."""
    return [
        {"epoch": str(one.epoch), metric: _metric(one.metric), "loss": _number(one.loss)}
        | {name: _number(one.figures.get(name)) for name in figures}
        for one in epochs
    ]


def choice_row(
    epoch: int, metric: tuple[str, float], zeros: Mapping[str, float], weights: str | None
) -> Row:
    """Return the row of an epoch that no other one beats.

    >>> choice_row(7, ("accuracy", 0.5), {"zero_filters": 12.0}, None)
    {'epoch': '7', 'accuracy': '0.5000', 'zero_filters': '12', 'weights': '—'}
    """
    name, value = metric
    row = {"epoch": str(epoch), name: _metric(value)}
    return (
        row | {key: _number(each) for key, each in zeros.items()} | {WEIGHTS: weights or words.NONE}
    )


def _metric(value: float | None) -> str:
    return words.NONE if value is None else f"{value:.4f}"


def _number(value: float | None) -> str:
    return words.NONE if value is None else f"{value:.4g}" if value % 1 else f"{value:.0f}"
