"""What a person should know of a quantized LiteRT file before it reaches a phone."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mobilekit.core.quantization import Form
from mobilekit.export.quantization.tflite_file import kind_of, name_of, type_of
from mobilekit.export.quantization.tflite_layers import Layer

_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}


def notes_on(model: Any, default: Form, layers: Sequence[tuple[str, Layer, str]]) -> list[str]:
    """Return what is slow, and what computes in float though integers were asked for.

    Args:
        model: the quantized flat buffer.
        default: form of the file.
        layers: name, layer as it is stored, words of the form that it has.
    """
    notes = []
    depthwise = [
        name
        for name, layer, words in layers
        if layer.kind == "DEPTHWISE_CONV_2D" and words == "dynamic:int8"
    ]
    if depthwise:
        notes.append(
            f"{_some(depthwise, 'depthwise convolution')} with dynamic integers: outside of XNNPACK,"
            " slow; with weights:int8 for these layers the file is as small and faster"
        )
    if default.activations == "int16":
        notes.append(
            "16-bit activations have no XNNPACK kernels: some 30 times slower on CPUs than 8-bit ones"
        )
    coarse = [
        name
        for name, layer, words in layers
        if "int4" in words and layer.kind not in {"FULLY_CONNECTED", "EMBEDDING_LOOKUP"}
    ]
    if coarse:
        notes.append(
            f"{_some(coarse, 'convolution')} with 4-bit weights: no fast kernels, slower than in float32"
        )
    if default.calibrated:
        notes += _in_float(model, {layer.scope for _, layer, words in layers if _floats(words)})
    return notes


def _in_float(model: Any, wanted: set[str]) -> list[str]:
    """Name the operators that compute in float, but for those that were asked to."""
    found: Counter[str] = Counter()
    for graph in model.subgraphs:
        for operator in graph.operators:
            kind = kind_of(model, operator)
            tensors = [graph.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
            scope = "".join(f"{name_of(graph.tensors[i])};" for i in operator.outputs)
            if kind in _CONVERSIONS or scope in wanted:
                continue
            found[kind] += any(type_of(tensor) == "FLOAT32" for tensor in tensors)
    kinds = ", ".join(f"{kind} × {count}" for kind, count in sorted(found.items()) if count)
    if not kinds:
        return []
    return [f"computes in float, with conversions around it: {kinds}"]


def _floats(words: str) -> bool:
    return not words.startswith("static:")


def _some(names: list[str], what: str) -> str:
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names)} {what}{'s' if len(names) > 1 else ''} ({shown})"
