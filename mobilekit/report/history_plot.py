"""A training as a picture: its curves, the values of its filters, and the filters of its first layer."""

import io
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

from mobilekit.core.histories import History
from mobilekit.report import history_curves, history_filters
from mobilekit.report.history_curves import Records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["png", "svg", "pdf"]
WIDTH = 11.0
"""Inches, as all sizes here."""
CURVES, ROW, TITLE = 2.9, 1.75, 0.7
DPI = 120
METADATA: dict[Format, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


def plot(
    history: History,
    records: Mapping[int, Records],
    title: str,
    kind: Format,
    chosen: Collection[int] = (),
) -> bytes:
    """Draw a training.

    Args:
        history: its epochs, at least one.
        records: by epoch, arrays by name: `values.<weight>` `[filters]`, `zero.<weight>` `[filters]`,
            `sparsity.<weight>` `[]`, `filters.<weight>` `[filters, C, H, W]`. What none has is not drawn.
        title: such as the folder's name; the data are named below it.
        kind: of the file.
        chosen: epochs that are marked.

    Returns:
        The file's content; the same training gives the same bytes.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ordered = [records[epoch] for epoch in sorted(records)]
    ends = {epoch: records[epoch] for epoch in sorted(records) if epoch in _ends(records)}
    layers = history_filters.layers_of(ordered)
    rows = math.ceil(len(layers) / 2)
    pictures = history_filters.height_of(ordered, WIDTH)
    heights = [each for each in (CURVES, rows * ROW, pictures) if each]
    settings = {"svg.hashsalt": "mobilekit", "svg.fonttype": "none", "font.size": 8}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(WIDTH, TITLE + sum(heights)), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(_title(title, history), fontsize=11)
        parts = iter(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
        history_curves.draw(next(parts), history, records, chosen)
        if rows:
            history_filters.draw_values(next(parts), ends, layers)
        if pictures:
            history_filters.draw_pictures(next(parts), ends)
        return _content(figure, kind)


def _ends(records: Mapping[int, Records]) -> set[int]:
    return {min(records), max(records)} if records else set()


def _title(title: str, history: History) -> str:
    lines = [title, history.data] if history.data else [title]
    return "\n".join(history_curves.literal(line) for line in lines)


def _content(figure: "Figure", kind: Format) -> bytes:
    content = io.BytesIO()
    metadata: dict[str, Any] = METADATA[kind]
    figure.savefig(content, format=kind, dpi=DPI, metadata=metadata)
    return content.getvalue()
