"""One self-contained HTML page of many measurements: no script, no download, everything escaped."""

from collections.abc import Sequence
from html import escape

from mobilekit.report import device_plots as plots
from mobilekit.report import device_table as table
from mobilekit.report.device_measurements import Measurement, by_device, by_kind
from mobilekit.report.device_regressions import Comparison
from mobilekit.report.page import STYLE
from mobilekit.report.page import table as as_table

TITLE = "How fast, how right, how large"


def render(
    found: Sequence[Measurement], comparison: Comparison | None = None, least: float = 0.0
) -> str:
    """Return the page.

    Args:
        found: measurements; each kind has a section of its own.
        comparison: with a base.
        least: change of medians that counts, as the comparison was made with.
    """
    parts = [f"<h1>{TITLE}</h1>"]
    if comparison is not None:
        parts += _compared(comparison, least)
    for kind, group in by_kind(found).items():
        parts.append(f"<h2>{escape(table.TITLES[kind])}</h2>")
        parts.append(as_table(table.rows(group), table.columns(kind)))
        parts += [f'<p class="fail">{escape(line)}</p>' for line in troubles(group)]
        if kind != "emulated":
            for device, own in by_device(group).items():
                parts += _pictures(device, own)
    sources = ", ".join(dict.fromkeys(one.source for one in found))
    parts.append(f'<p class="quiet">Read from {escape(sources)}.</p>')
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def troubles(found: Sequence[Measurement]) -> list[str]:
    """Say what devices reported as errors, a line each."""
    return [f"{one.source}: {error}" for one in found for error in one.errors]


def _compared(comparison: Comparison, least: float) -> list[str]:
    parts = ["<h2>Compared with the base</h2>"]
    kinds = dict.fromkeys(one.kind for one in comparison.changes)
    for kind in kinds:
        own = [one for one in comparison.changes if one.kind == kind]
        parts.append(f"<p>{escape(table.TITLES[kind])}</p>")
        parts.append(as_table(table.change_rows(own), table.CHANGE_COLUMNS))
    parts.append(f'<p class="quiet">{escape(table.change_note(least))}</p>')
    for words, names in (
        ("only now", comparison.only_now),
        ("only in the base", comparison.only_before),
    ):
        parts += [f'<p class="quiet">{words}: {escape(name)}</p>' for name in names]
    return parts


def _pictures(device: str, found: Sequence[Measurement]) -> list[str]:
    parts = [f"<h3>{escape(device)}</h3>", plots.distributions(found)]
    for title, group in _by_metric(found).items():
        parts.append(f"<p>{escape(title)}, over the median latency; areas are sizes</p>")
        parts.append(plots.pareto(group))
    for one in found:
        courses = (
            plots.heat(one.thermal, sum(one.inference.samples_ns) / 1e6) if one.thermal else ""
        )
        bars = plots.operators(one.per_op)
        if courses or bars:
            parts += [f"<p>{escape(one.title)}</p>", courses, bars]
    return parts


def _by_metric(found: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    groups: dict[str, list[Measurement]] = {}
    for one in found:
        if one.metric is not None:
            title = f"{one.metric.metric.replace('_', ' ')} on {one.metric.data}"
            groups.setdefault(title, []).append(one)
    return groups
