"""The filters of a training, drawn: their values by layer, and those of the first layer as pictures."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mobilekit.report.history_curves import COLOURS, GRID, Records, layer, literal, natural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

    Array = NDArray[Any]

MOST_LAYERS = 64
"""Layers that are drawn, the first ones."""
BINS = 20
ACROSS = 8
"""Filters side by side in a picture."""
STYLES = ((COLOURS[1], "--"), (COLOURS[0], "-"))
"""Of the first and the last epoch."""


def layers_of(records: Sequence[Records]) -> list[str]:
    """Return the weights of which the first or last epoch has values, at most `MOST_LAYERS`."""
    ends = [records[0], records[-1]] if records else []
    found = {
        name.partition(".")[2]
        for record in ends
        for name, array in record.items()
        if name.startswith("values.") and _finite(array).size
    }
    return sorted(found, key=natural)[:MOST_LAYERS]


def draw_values(part: "SubFigure", ends: Mapping[int, Records], weights: Sequence[str]) -> None:
    """Draw, for each layer, its filters' values sorted and as a histogram, first epoch against last.

    Args:
        part: where.
        ends: records by epoch, of one or two.
        weights: of the layers.
    """
    part.suptitle("mean |W| of each filter, as the epoch's training left it", fontsize=9)
    axes = part.subplots(math.ceil(len(weights) / 2), 4, squeeze=False).reshape(-1, 2)
    styles = STYLES[-len(ends) :]
    for weight, (sorted_axes, histogram) in zip(weights, axes, strict=False):
        values = {epoch: _finite(record.get(f"values.{weight}")) for epoch, record in ends.items()}
        largest = max(each.max(initial=0.0) for each in values.values()) or 1.0
        for (epoch, each), (colour, line) in zip(values.items(), styles, strict=True):
            style = {"color": colour, "linestyle": line, "label": f"epoch {epoch}"}
            sorted_axes.plot(range(1, len(each) + 1), sorted(each, reverse=True), **style)
            histogram.hist(each, bins=BINS, range=(0, largest), histtype="step", **style)
        _annotate(sorted_axes, histogram, weight, list(ends.values())[-1])
    for unused in axes[len(weights) :].flat:
        unused.set_axis_off()
    axes[0][0].legend(frameon=False)


def height_of(records: Sequence[Records], width: float) -> float:
    """Return how high the pictures of the filters are, in inches; 0 without any."""
    filters = _filters(records[-1]) if records else None
    if filters is None:
        return 0.0
    count, high, wide = filters[1].shape[0], filters[1].shape[2], filters[1].shape[3]
    rows = math.ceil(count / ACROSS)
    cell = 0.4 * width / min(ACROSS, count) * (high + 1) / (wide + 1)
    return float(min(0.8 + rows * min(cell, 0.55), 2 * width))


def draw_pictures(part: "SubFigure", ends: Mapping[int, Records]) -> None:
    """Draw the filters of the first convolution, first epoch beside last; zero ones are crossed out.

    Gray, or red, green and blue of three channels; the mean over channels of any other number.
    """
    found = {epoch: each for epoch, record in ends.items() if (each := _filters(record))}
    largest = max(float(abs(filters).max()) for _, filters in found.values()) or 1.0
    name = next(iter(found.values()))[0]
    part.suptitle(
        f"filters of {literal(layer(name))}: gray is 0, black −{largest:.2g}, white {largest:.2g};"
        " zero filters are crossed out",
        fontsize=9,
    )
    axes = part.subplots(1, len(found), squeeze=False)[0]
    for one, (epoch, (_, filters)) in zip(axes, found.items(), strict=True):
        _mosaic(one, filters, largest)
        one.set_title(f"epoch {epoch}")


def _finite(array: "Array | None") -> "Array":
    import numpy as np

    return np.zeros(0) if array is None else array[np.isfinite(array)].astype(float)


def _annotate(sorted_axes: "Axes", histogram: "Axes", weight: str, last: Records) -> None:
    zero = last.get(f"zero.{weight}")
    count = last[f"values.{weight}"].size if f"values.{weight}" in last else 0
    gone = "" if zero is None else f", {int(zero.astype(bool).sum())} zero"
    sorted_axes.set_title(
        f"{literal(layer(weight))}: {count} filters{gone}", loc="left", fontsize=8
    )
    sorted_axes.set_xlabel("filters, sorted", fontsize=7)
    histogram.set_xlabel("mean |W|", fontsize=7)
    histogram.set_ylabel("filters", fontsize=7)
    for axes in (sorted_axes, histogram):
        axes.grid(**GRID)
        axes.tick_params(labelsize=7)
        axes.set_ylim(bottom=0)


def _filters(record: Records) -> "tuple[str, Array] | None":
    """Return the name of the first convolution's weight, and its filters `[filters, C, H, W]`."""
    import numpy as np

    for name, array in record.items():
        if name.startswith("filters.") and array.ndim == 4 and array.size:
            return name.partition(".")[2], np.nan_to_num(array.astype(float))
    return None


def _mosaic(axes: "Axes", filters: "Array", largest: float) -> None:
    """Draw filters in rows, with white lines between them."""
    import numpy as np

    tiles = np.moveaxis(filters, 1, -1) / largest / 2 + 0.5
    if tiles.shape[-1] != 3:
        tiles = tiles.mean(-1, keepdims=True).repeat(3, -1)
    count, high, wide, _ = tiles.shape
    across = min(ACROSS, count)
    canvas = np.ones((math.ceil(count / across) * (high + 1) - 1, across * (wide + 1) - 1, 3))
    for number, tile in enumerate(tiles):
        top, left = number // across * (high + 1), number % across * (wide + 1)
        canvas[top : top + high, left : left + wide] = tile
        if not filters[number].any():
            corners = (left - 0.5, left + wide - 0.5), (top - 0.5, top + high - 0.5)
            for colour, width in (("white", 3.0), ("black", 1.2)):
                axes.plot(corners[0], corners[1], color=colour, linewidth=width)
                axes.plot(corners[0], corners[1][::-1], color=colour, linewidth=width)
    axes.imshow(canvas.clip(0, 1), interpolation="nearest")
    axes.set_axis_off()
