"""A picture of a sensitivity analysis: one line per layer, or a heat map where there are many."""

import io
from typing import TYPE_CHECKING, Literal

from mobilekit.core.reports import SensitivityReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["png", "svg"]
MOST_LINES = 12
"""Parts up to which lines can be told apart."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
"""Okabe and Ito's, which colour-blind people tell apart; black is for the baseline."""
MARKERS = ("o", "s", "^", "D", "v", "P")
WORDS = {"sqnr_db": "SQNR in dB"}
EXACT = "exact"
HEADROOM = 6.0
"""Decibels above the greatest finite value at which what is exact is drawn."""


def plot(report: SensitivityReport, title: str, kind: Format, bound: float | None = None) -> bytes:
    """Draw a report.

    Args:
        report: of an analysis.
        title: such as the network's name.
        kind: of the file.
        bound: least SQNR in dB; of other measures, largest distance from the baseline. It is drawn as a
            line, and in a heat map what is beyond it is crossed out.

    Returns:
        The file's content; the same report gives the same bytes.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings = {"svg.hashsalt": "mobilekit", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(settings):
        lines = len(report.parts) <= MOST_LINES
        height = 4.5 if lines else 1.6 + 0.22 * len(report.parts)
        figure = Figure(figsize=(8, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        if lines:
            _lines(axes, report, bound)
        else:
            _heat_map(figure, axes, report, bound)
        axes.set_title(title)
        axes.set_xlabel(f"sparsity of one {report.by} alone ({report.granularity})")
        content = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(content, format=kind, dpi=150, metadata=metadata)
    return content.getvalue()


def _lines(axes: "Axes", report: SensitivityReport, bound: float | None) -> None:
    top = _top(report)
    for number, part in enumerate(report.parts):
        rows = report.rows_of(part.name)
        values = [top if row.value is None else row.value for row in rows]
        turn = number // len(COLOURS)
        axes.plot(
            [row.sparsity for row in rows],
            values,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            markerfacecolor="none" if turn else None,
            linestyle="--" if turn else "-",
            label=_label(part.name),
        )
    limit = _limit(report, bound)
    if report.baseline is not None:
        axes.axhline(report.baseline, color="black", linewidth=1, label="untouched")
    elif any(row.value is None for row in report.rows):
        axes.axhline(top, color="black", linewidth=1, label=EXACT)
    if limit is not None:
        axes.axhline(limit, color="black", linewidth=1, linestyle=":", label="bound")
    axes.set_ylabel(_word(report))
    axes.grid(color="#d8dce2", linewidth=0.5)
    axes.figure.legend(loc="outside right upper", frameon=False)


def _heat_map(
    figure: "Figure", axes: "Axes", report: SensitivityReport, bound: float | None
) -> None:
    import numpy as np

    top, limit = _top(report), _limit(report, bound)
    values = [
        [top if row.value is None else row.value for row in report.rows_of(part.name)]
        for part in report.parts
    ]
    colours = "cividis" if report.better == "greater" else "cividis_r"
    image = axes.imshow(np.array(values), aspect="auto", cmap=colours, interpolation="nearest")
    sparsities = [row.sparsity for row in report.rows_of(report.parts[0].name)]
    axes.set_xticks(range(len(sparsities)), [f"{one:g}" for one in sparsities])
    axes.set_yticks(range(len(report.parts)), [_label(part.name) for part in report.parts])
    axes.tick_params(axis="y", labelsize=7)
    word = _word(report)
    if any(row.value is None for row in report.rows):
        word += f" ({top:.0f}: {EXACT})"
    figure.colorbar(image, ax=axes, label=word, aspect=40)
    if limit is not None:
        worse = np.less if report.better == "greater" else np.greater
        lines, columns = np.nonzero(worse(values, limit))
        axes.plot(columns, lines, "x", color="white", markersize=4, markeredgewidth=2)
        axes.plot(columns, lines, "x", color="black", markersize=4, label="beyond the bound")
        axes.set_xlim(-0.5, len(sparsities) - 0.5)
        axes.set_ylim(len(report.parts) - 0.5, -0.5)
        figure.legend(loc="outside lower right", frameon=False)


def _top(report: SensitivityReport) -> float:
    """Return where an infinite SQNR is drawn."""
    finite = [row.value for row in report.rows if row.value is not None]
    return max(finite, default=0.0) + HEADROOM


def _limit(report: SensitivityReport, bound: float | None) -> float | None:
    if bound is None or report.baseline is None:
        return bound
    return report.baseline + (bound if report.better == "less" else -bound)


def _word(report: SensitivityReport) -> str:
    return WORDS.get(report.measure, report.measure.replace("_", " "))


def _label(name: str) -> str:
    """Return a layer's name as matplotlib shows it: a leading underscore would hide it from a legend."""
    return (name or "the network").replace("$", r"\$").replace("_", "\u200b_", name.startswith("_"))
