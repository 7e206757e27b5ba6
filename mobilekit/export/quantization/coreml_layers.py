"""What becomes of the weights of each layer of a Core ML file, and the row that tells it."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from mobilekit.core.errors import ExportError
from mobilekit.core.quantization import FLOAT, Form
from mobilekit.core.reports import LayerQuantization
from mobilekit.export.quantization.coreml_encoding import Encoded, Numbers, Stored
from mobilekit.export.quantization.coreml_weights import Weight, encoded, floor_bytes, refusal

_NAMED = 8
"""Most layers that an error names."""


@dataclass(frozen=True)
class Fate:
    """What becomes of the weights of one layer."""

    weight: Weight
    layer: str
    asked: Form | None
    """None: left alone."""
    encoded: Encoded | None
    """None: as it was."""
    reason: str = ""


def decided(weight: Weight, layer: str, asked: Form | None) -> Fate:
    """Encode the weights of a layer as asked, or say why not."""
    constant = weight.constant
    if asked is None or (asked.words == "float16" and constant.kind == "FLOAT16"):
        return Fate(weight, layer, asked, None)
    reason = refusal(constant, asked)
    if reason:
        return Fate(weight, layer, asked, None, reason)
    made = encoded(constant, asked)
    before = Stored(constant.kind, constant.values).whole_bytes
    if made.whole_bytes >= before and not asked.calibrated:
        reason = f"would take {made.whole_bytes} bytes of the file, floats take {before}"
        return Fate(weight, layer, asked, None, reason)
    return Fate(weight, layer, asked, made)


def row_of(fate: Fate, integer: Collection[str]) -> LayerQuantization:
    """Tell how the weights of a layer are stored.

    Args:
        fate: of the layer.
        integer: outputs of the operators whose activations are integers.
    """
    values: Numbers = fate.weight.constant.values.astype(np.float64)
    asked = fate.asked.words if fate.asked else FLOAT
    size = size_floor = fate.weight.constant.values.nbytes
    error, stored, reason = 0.0, FLOAT, fate.reason
    if fate.encoded is not None and fate.asked is not None:
        stored, size = asked, fate.encoded.size_bytes
        error = float(((fate.encoded.decoded - values) ** 2).sum())
        size_floor = floor_bytes(fate.weight.constant, fate.asked, _left(fate.encoded))
        floats = [one.type for one in fate.weight.takers if one.outputs[0].name not in integer]
        if fate.asked.calibrated and floats:
            stored = "weights:int8"
            reason = f"{floats[0]} computes in floats: it has no integer activations in Core ML"
    elif asked == "float16" and not fate.reason:
        stored = asked
    return LayerQuantization(
        layer=fate.layer,
        tensor=fate.weight.constant.name,
        asked=asked,
        stored=stored,
        elements=values.size,
        stored_bytes=size,
        floor_bytes=size_floor,
        signal_energy=float((values**2).sum()),
        error_energy=error,
        reason=reason,
    )


def insist(rows: tuple[LayerQuantization, ...]) -> None:
    """Refuse a file with layers that are not quantized as asked.

    Raises:
        ExportError: there are some; the line names them.
    """
    short = [row for row in rows if row.stored != row.asked]
    if short:
        named = "; ".join(f"{row.layer} ({row.asked}: {row.reason})" for row in short[:_NAMED])
        more = f"; and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        raise ExportError(f"coreml: strict: not quantized as asked: {named}{more}")


def _left(made: Encoded) -> int:
    """Return how many weights are stored."""
    counts = [
        given.values.size
        for port, given in made.links[0].inputs.items()
        if port in {"nonzero_data", "indices_nonzero_data"} and isinstance(given, Stored)
    ]
    return counts[0] if counts else made.decoded.size
