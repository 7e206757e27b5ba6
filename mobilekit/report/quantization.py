"""Which layer is stored how: the table of a quantized file, and its picture."""

import math
from collections.abc import Sequence
from html import escape

from mobilekit.core.reports import DelegationReport, LayerQuantization, OperatorTime
from mobilekit.report import words
from mobilekit.report.tables import Row

COLUMNS = ("layer", "stored as", "weights", "bytes", "share", "SQNR", "why")
WIDTH, BAR, LABELS = 640, 12, 240
BEST, WORST = 60.0, 0.0
"""Decibels at the ends of the picture's scale."""
TIME = "time"
WEIGHED = (
    "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "EMBEDDING_LOOKUP", "CONV_3D",
    "CONV_3D_TRANSPOSE", "BATCH_MATMUL",
)  # fmt: skip
"""LiteRT's operators that may have weights."""


def columns(
    layers: Sequence[LayerQuantization], delegation: DelegationReport | None
) -> tuple[str, ...]:
    """Return the columns of the table: that of time stands beside the error where it is known."""
    place = COLUMNS.index("SQNR") + 1
    timed = [TIME] if time_shares(layers, delegation) else []
    return (*COLUMNS[:place], *timed, *COLUMNS[place:])


def rows(
    layers: Sequence[LayerQuantization], delegation: DelegationReport | None = None
) -> list[Row]:
    """Return one row per layer, in the order of the file.

    Args:
        layers: of one file.
        delegation: the times of its operators, where they were measured.
    """
    total = sum(layer.stored_bytes for layer in layers) or 1
    times = time_shares(layers, delegation)
    made = [
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
    for row, share in zip(made, times, strict=False):
        row[TIME] = words.share(share)
    return made


def time_shares(
    layers: Sequence[LayerQuantization], delegation: DelegationReport | None
) -> list[float]:
    """Return the share of the file's time, 0–1, that each layer's kernels take.

    Layers and operators are in the same order; a layer's operator takes a tensor of as many elements as
    the layer has weights.

    Returns:
        Nothing where times were not measured, or a layer's operator is not among them.
    """
    if delegation is None:
        return []
    total = sum(one.mean_ns for one in delegation.operators)
    spent: dict[int, float] = {}
    first: dict[int, OperatorTime] = {}
    for one in delegation.operators:
        kind, _, number = one.name.partition(":")[2].rpartition(" ")
        if kind in WEIGHED and number.isdigit():
            spent[int(number)] = spent.get(int(number), 0.0) + one.mean_ns
            first.setdefault(int(number), one)
    rest = iter(sorted(first))
    found = []
    for layer in layers:
        place = next((n for n in rest if _weighs(first[n], layer.elements)), None)
        if place is None or not total:
            return []
        found.append(spent[place] / total)
    return found


def time_note(layers: Sequence[LayerQuantization], delegation: DelegationReport | None) -> str:
    """Say which layer takes most of the time, or that this is not known."""
    shares = time_shares(layers, delegation)
    if not shares:
        known = "was not measured" if delegation is None else "cannot be told from the profile"
        return f"What each layer takes of the time {known}."
    most = max(range(len(shares)), key=shares.__getitem__)
    return (
        f"Layers with weights take {words.share(sum(shares))} of the time; the most,"
        f" {words.share(shares[most])}, takes {layers[most].layer}."
    )


def _weighs(operator: OperatorTime, elements: int) -> bool:
    return any(math.prod(shape) == elements for shape in operator.shapes)


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


def picture(layers: Sequence[LayerQuantization], delegation: DelegationReport | None = None) -> str:
    """Draw the decibels of each layer as bars, short where the error is large.

    Its share of the bytes stands beside, and that of the time, which is drawn as a thin bar too.
    """
    total = sum(layer.stored_bytes for layer in layers) or 1
    times = time_shares(layers, delegation)
    parts = []
    for index, layer in enumerate(layers):
        top = index * (BAR + 4)
        share = min(max((min(layer.sqnr_db, BEST) - WORST) / (BEST - WORST), 0.0), 1.0)
        width = (WIDTH - LABELS - (215 if times else 110)) * share
        colour = "#8a93a0" if layer.stored == "float" else "#b3261e" if share < 1 / 3 else "#3566b8"
        text = (
            f"{words.decibels(layer.sqnr_db)}, {words.share(layer.stored_bytes / total)} of bytes"
        )
        if times:
            text += f", {words.share(times[index])} of time"
            parts.append(
                f'<rect x="{LABELS}" y="{top + BAR}" width="{(WIDTH - LABELS) * times[index]:.1f}" height="2"'
                ' fill="#c77700"/>'
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
