"""Which layer is stored how: the table of a quantized file, and its picture."""

import math
from collections.abc import Sequence
from html import escape

from mobilekit.core.reports import LayerQuantization
from mobilekit.report import words
from mobilekit.report.tables import Row

COLUMNS = ("layer", "stored as", "weights", "bytes", "share", "SQNR", "why")
WIDTH, BAR, LABELS = 640, 12, 240
BEST, WORST = 60.0, 0.0
"""Decibels at the ends of the picture's scale."""


def rows(layers: Sequence[LayerQuantization]) -> list[Row]:
    """Return one row per layer, in the order of the file."""
    total = sum(layer.stored_bytes for layer in layers) or 1
    return [
        {
            "layer": layer.layer,
            "stored as": layer.stored,
            "weights": words.count(layer.elements),
            "bytes": words.size(layer.stored_bytes),
            "share": words.share(layer.stored_bytes / total),
            "SQNR": words.decibels(layer.sqnr_db),
            "why": layer.reason,
        }
        for layer in layers
    ]


def not_as_asked(layers: Sequence[LayerQuantization]) -> list[str]:
    """Return a line for each layer that is not stored as asked."""
    return [
        f"{layer.layer}: {layer.stored} instead of {layer.asked}: {layer.reason}"
        for layer in layers
        if layer.reason
    ]


def note(layers: Sequence[LayerQuantization]) -> str:
    """Say in one line what the layers come to."""
    stored = sum(layer.stored_bytes for layer in layers)
    floor = sum(layer.floor_bytes for layer in layers)
    finite = [layer for layer in layers if math.isfinite(layer.sqnr_db)]
    worst = min(finite, key=lambda layer: layer.sqnr_db, default=None)
    text = (
        f"{len(layers)} layers with {words.count(sum(layer.elements for layer in layers))} weights in"
        f" {words.size(stored)}; the least that the form needs is {words.size(floor)}."
    )
    if worst is None:
        return text
    return f"{text} Furthest from what they were: {worst.layer}, {words.decibels(worst.sqnr_db)}."


def picture(layers: Sequence[LayerQuantization]) -> str:
    """Draw the decibels of each layer as bars, short where the error is large, with its share of the bytes."""
    total = sum(layer.stored_bytes for layer in layers) or 1
    parts = []
    for index, layer in enumerate(layers):
        top = index * (BAR + 4)
        share = min(max((min(layer.sqnr_db, BEST) - WORST) / (BEST - WORST), 0.0), 1.0)
        width = (WIDTH - LABELS - 110) * share
        colour = "#8a93a0" if layer.stored == "float" else "#b3261e" if share < 1 / 3 else "#3566b8"
        text = (
            f"{words.decibels(layer.sqnr_db)}, {words.share(layer.stored_bytes / total)} of bytes"
        )
        parts.append(
            f'<text x="{LABELS - 6}" y="{top + BAR - 2}" text-anchor="end">{escape(layer.layer[-36:])}</text>'
            f'<rect x="{LABELS}" y="{top}" width="{max(width, 1):.1f}" height="{BAR}" fill="{colour}"/>'
            f'<text x="{LABELS + max(width, 1) + 5:.1f}" y="{top + BAR - 2}">{escape(text)}</text>'
        )
    height = len(layers) * (BAR + 4)
    return (
        f'<svg role="img" aria-label="signal-to-error ratio of the weights by layer" viewBox="0 0 {WIDTH}'
        f' {height}" width="{WIDTH}" height="{height}" font-size="10">{"".join(parts)}</svg>'
    )
