"""How each layer of a LiteRT file is stored, beside how it was asked to be."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from mobilekit.core.errors import ExportError
from mobilekit.core.quantization import FLOAT, Form
from mobilekit.core.reports import LayerQuantization
from mobilekit.export.quantization.tflite_layers import Layer, energy_of


def rows_of(
    names: Sequence[str],
    before: Sequence[Layer],
    after: Sequence[Layer],
    asked: Sequence[Form | None],
    reasons: Sequence[str],
) -> list[LayerQuantization]:
    """Return a row per layer.

    Args:
        names: of the layers.
        before: as they were.
        after: as they are stored.
        asked: form of each; None for those that were to stay as they are.
        reasons: why a layer cannot have it; empty where it can.
    """
    rows = [_row(*one) for one in zip(names, before, after, asked, reasons, strict=True)]
    return _with_zero_points(rows, after)


def check_strictly(form: str, rows: list[LayerQuantization]) -> None:
    """Refuse a file of which a layer is not quantized as asked.

    Raises:
        ExportError: it names them.
    """
    missed = [row for row in rows if row.stored != row.asked]
    if missed:
        some = "; ".join(f"{row.layer} is {row.stored} ({row.reason})" for row in missed[:3])
        raise ExportError(
            f"tflite: {form}: {len(missed)} of {len(rows)} layers are not quantized as"
            f" asked: {some}"
        )


def _row(
    name: str, before: Layer, after: Layer, form: Form | None, reason: str
) -> LayerQuantization:
    words = form.words if form is not None else FLOAT
    stored = _words(after, words)
    as_asked = stored == words.removesuffix(":integer-io")
    scale_bytes = 4 * len(after.scales)
    difference = np.subtract(after.weights, before.weights, dtype=np.float32)
    count = difference.size
    return LayerQuantization(
        layer=name,
        tensor=after.name,
        asked=words,
        stored=words if as_asked else stored,
        elements=count,
        stored_bytes=after.stored_bytes + scale_bytes,
        floor_bytes=math.ceil(count * after.bits / 8) + scale_bytes,
        signal_energy=before.energy,
        error_energy=energy_of(difference),
        reason="" if as_asked else reason or f"ai-edge-quantizer stores this {after.kind} so",
    )


def _with_zero_points(
    rows: list[LayerQuantization], stored: Sequence[Layer]
) -> list[LayerQuantization]:
    """Add the bytes of the zero points to the first of the layers that share them."""
    seen = set()
    found = []
    for row, layer in zip(rows, stored, strict=True):
        count = len(layer.scales)
        more = 8 * count if count not in seen else 0
        seen.add(count)
        found.append(msgspec.structs.replace(row, stored_bytes=row.stored_bytes + more))
    return found


def _words(layer: Layer, asked: str) -> str:
    """Return the words of the form that a stored layer has."""
    if layer.bits == 32:
        return FLOAT
    if layer.bits == 16:
        return "float16"
    if layer.decoded:
        whole = len(layer.scales) == 1 and (layer.channels > 1 or asked.endswith(":tensor"))
        return f"weights:int{layer.bits}{':tensor' if whole else ''}"
    if layer.activation == "INT8":
        return "static:int8"
    return "static:int8x16" if layer.activation == "INT16" else f"dynamic:int{layer.bits}"
