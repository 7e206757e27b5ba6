"""The part of a model card that is measured, written between two marks of the card."""

from mobilekit.core.artifact import Manifest
from mobilekit.core.reports import MetricReport
from mobilekit.report import tables

BEGIN = "<!-- figures: written by `mobilekit ship` -->"
END = "<!-- end of figures -->"


def placed(card: str, figures: str) -> str:
    """Return a card with its figures between its marks, which come to its end where it has none.

    >>> placed("# Net", "new").splitlines()[-1] == END
    True
    >>> placed(placed("# Net", "old"), "new") == placed("# Net", "new")
    True
    """
    block = f"{BEGIN}\n\n{figures.strip()}\n\n{END}"
    if BEGIN in card and END in card:
        before, _, rest = card.partition(BEGIN)
        return f"{before}{block}{rest.partition(END)[2]}"
    return f"{card.rstrip()}\n\n{block}\n".lstrip()


def figures(manifest: Manifest) -> str:
    """Return the tables of a card: after each step, of each class, of each file."""
    stages, columns = tables.stage_rows(manifest)
    parts = ["## Figures", "", table(stages, columns), "", *tables.stage_notes(manifest)]
    last = next((step for step in reversed(manifest.steps) if step.metrics), None)
    for place, report in enumerate(last.metrics if last else ()):
        if report.per_class:
            parts += ["", f"Per class on set ({place + 1}):", "", of_classes(report)]
    rows = [
        {key: row[key] for key in ("format", "precision", "size", "SQNR", "metric", "verdict")}
        for row in tables.export_rows(manifest)
    ]
    names = ("format", "precision", "size", "SQNR", "metric", "verdict")
    return "\n".join([*parts, "", "Files:", "", table(rows, names)])


def of_classes(report: MetricReport) -> str:
    """Return a row per class with its figures."""
    names = list(dict.fromkeys(name for found in report.per_class.values() for name in found))
    rows = [
        {"class": label, **{name: f"{found[name]:.4f}" for name in names if name in found}}
        for label, found in report.per_class.items()
    ]
    return table(rows, ("class", *names))


def table(rows: list[tables.Row], columns: tuple[str, ...]) -> str:
    """Return rows as a table of Markdown.

    >>> print(table([{"a": "1"}], ("a", "b")))
    | a | b |
    |---|---|
    | 1 |  |
    """
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(row.get(name, '') for name in columns)} |" for row in rows]
    return "\n".join(lines)
