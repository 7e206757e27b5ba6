"""A sensitivity analysis as a table: a row per layer, a column per sparsity."""

import glob
from collections.abc import Mapping, Sequence

from mobilekit.core.reports import SensitivityReport
from mobilekit.report import words

Row = dict[str, str]

RANK, WITHIN, RECIPE = "rank", "bears", "context"


def columns(report: SensitivityReport, context: Mapping[str, float]) -> tuple[str, ...]:
    """Return the headings."""
    first = ("layer" if report.by == "layer" else "channels of", "groups")
    return (*first, *_sparsities(report), WITHIN, RANK, *([RECIPE] if context else []))


def rows(
    report: SensitivityReport,
    within: Mapping[str, float],
    ranking: Sequence[str],
    context: Mapping[str, float],
) -> list[Row]:
    """Return one row per part, in the order of the network.

    Args:
        report: of an analysis.
        within: by part, the largest sparsity within the bound.
        ranking: parts, the least sensitive first.
        context: sparsities by pattern of layers; empty where none was asked for.
    """
    first, *_ = columns(report, context)
    places = {name: str(place) for place, name in enumerate(ranking, 1)}
    found = []
    for part in report.parts:
        values = [_number(row.value, report.measure) for row in report.rows_of(part.name)]
        row = {first: part.name or "the network", "groups": str(part.count)}
        row |= dict(zip(_sparsities(report), values, strict=True))
        row |= {WITHIN: f"{within[part.name]:g}", RANK: places[part.name]}
        shares = [context[key] for key in map(glob.escape, part.layers) if key in context]
        found.append(row | {RECIPE: f"{min(shares):.3f}" if shares else ""})
    return found


def note(report: SensitivityReport, bound: float) -> str:
    """Say what the numbers are, what is tolerable, and what was left alone."""
    exact = report.baseline is None
    untouched = "" if exact else f"; untouched: {_number(report.baseline, report.measure)}"
    limit = f"at least {bound:g} dB" if exact else f"no farther than {bound:g} from it"
    parts = [
        f"Measured on {report.provenance}{untouched}.",
        f"{WITHIN}: largest sparsity up to which it is {limit}; {RANK} 1 is the least sensitive.",
    ]
    return "\n".join((*parts, *report.notes))


def _sparsities(report: SensitivityReport) -> tuple[str, ...]:
    return tuple(f"{row.sparsity:g}" for row in report.rows_of(report.parts[0].name))


def _number(value: float | None, measure: str) -> str:
    if value is None:
        return "exact"
    if measure == "sqnr_db":
        return f"{value:.1f}"
    return f"{value:.4f}" if measure == "loss" else words.share(value)
