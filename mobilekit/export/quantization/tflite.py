"""LiteRT file of floats → a smaller one, by ai-edge-quantizer; what came of it is read back."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.core import files
from mobilekit.core.errors import ExportError, MobilekitError
from mobilekit.core.quantization import Quantization, parse
from mobilekit.export.quantization.asking import asked
from mobilekit.export.quantization.made import Quantized
from mobilekit.export.quantization.tflite_biases import fit_biases
from mobilekit.export.quantization.tflite_calibration import Calibration, collect
from mobilekit.export.quantization.tflite_file import describe, written
from mobilekit.export.quantization.tflite_layers import layers_of
from mobilekit.export.quantization.tflite_notes import notes_on
from mobilekit.export.quantization.tflite_recipe import feasible, quantized
from mobilekit.export.quantization.tflite_rows import check_strictly, rows_of
from mobilekit.export.quantization.tflite_source import opened
from mobilekit.export.quantization.tflite_statistics import check_calibrated, statistics

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array

__all__ = ["Calibration", "collect", "quantize"]


def quantize(
    file: Path,
    out: Path,
    quantization: Quantization,
    network: Mapping[str, "Array"],
    *,
    calibration: Calibration | None = None,
) -> Quantized:
    """Write a quantized variant of a file of floats, which is not touched.

    Args:
        file: of floats (`.tflite`).
        out: the variant; its inputs and outputs have the names and the order of the file's.
        quantization: what is asked.
        network: parameter, with or without `.weight` → weights as PyTorch stores them.
        calibration: of this file (`collect`), for forms with integer activations.

    Raises:
        RecipeError: no such form, LiteRT lacks it, it needs a calibration, or a pattern matches no layer.
        DataError: an activation becomes infinite on the calibration inputs.
        NoEffectError: the file has no layers with weights.
        ExportError: the file is quantized already, or, with `strict`, a layer is not quantized as asked.
    """
    started = time.monotonic()
    if out.resolve() == file.resolve():
        raise ExportError(f"tflite: {file.name} would be overwritten by its own variant")
    source = opened(file)
    layers, names = source.layers, source.names(network)
    wanted = asked(quantization, names, "tflite")
    able = [feasible(form, layer.kind) for form, layer in zip(wanted, layers, strict=True)]
    default = parse(quantization.form)
    forms = list(zip(layers, (form for form, _ in able), strict=True))
    check_calibrated(quantization, [form for _, form in forms], calibration)
    shown = statistics(source.model, quantization, names, forms, calibration)
    try:
        model = quantized(source.model, default, forms, shown.given)
    except MobilekitError:
        raise
    except Exception as problem:
        words = " ".join(str(problem).split())[:200]
        raise ExportError(
            f"tflite: {quantization.form}: ai-edge-quantizer refuses {file.name}: {words}"
        ) from problem
    widened = fit_biases(source.model, model)
    stored = layers_of(model)
    if [layer.kind for layer in stored] != [layer.kind for layer in layers]:
        raise ExportError(f"tflite: {quantization.form}: layers of {file.name} got lost")
    rows = rows_of(names, layers, stored, wanted, [reason for _, reason in able])
    if quantization.strict:
        check_strictly(quantization.form, rows)
    describe(model, "quantization", default.words)
    files.write_bytes(out, written(model))
    described = [(row.layer, layer, row.stored) for row, layer in zip(rows, stored, strict=True)]
    notes = [*notes_on(model, default, described), *shown.notes(names, stored)]
    if widened:
        notes.append(
            f"{widened} output channels have weights with a larger step than they need: their biases would not"
            " fit into 32 bits"
        )
    return Quantized(tuple(rows), tuple(notes), time.monotonic() - started)
