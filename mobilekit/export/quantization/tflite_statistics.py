"""Ranges of a LiteRT file's activations for the quantizer: those of training go before calibrated ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mobilekit.core.errors import RecipeError
from mobilekit.core.quantization import Form, Quantization, parse
from mobilekit.core.quantization_plan import QuantizationPlan, Range
from mobilekit.export.quantization.tflite_calibration import Calibration
from mobilekit.export.quantization.tflite_file import kind_of, name_of
from mobilekit.export.quantization.tflite_layers import Layer
from mobilekit.export.quantization.tflite_recipe import activation_bits
from mobilekit.export.quantization.trained import Ends, Node, Read, planned, refused, said, spread

MOVES = frozenset({
    "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "GATHER", "GATHER_ND", "MAX_POOL_2D",
    "MIRROR_PAD", "PACK", "PAD", "PADV2", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SLICE",
    "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE", "UNPACK",
})  # fmt: skip
"""Operators that choose among the values they take; both ends have one scale."""
NEAR = 1e-5
"""Relative difference that float32 leaves of a scale."""

Forms = Sequence[tuple[Layer, Form | None]]


def check_calibrated(
    quantization: Quantization, forms: Sequence[Form | None], calibration: Calibration | None
) -> None:
    """Refuse a form with integer activations without calibration inputs.

    Raises:
        RecipeError: such a form; it is named.
    """
    needing = _needing(quantization, forms)
    if needing and calibration is None:
        raise RecipeError(
            f"quantize: {needing[0].words} needs calibration inputs, and none were given"
        )


@dataclass(frozen=True)
class Statistics:
    """Ranges for the quantizer, and what layers were trained to read."""

    given: dict[str, dict[str, Any]] | None
    """Tensor → `min` and `max`; None where no form needs them."""
    trained: tuple[Range | None, ...]
    """Of each layer; None for those without."""
    refused: Mapping[str, str]
    """Layers that read other values in the file than in training."""

    def notes(self, names: Sequence[str], stored: Sequence[Layer]) -> tuple[str, ...]:
        """Say which layers read what they were trained to, by the scales in the file.

        Args:
            names: of the layers.
            stored: the layers as they are in the quantized file.
        """
        used, other = [], dict(self.refused)
        for name, range_, layer in zip(names, self.trained, stored, strict=True):
            if range_ is None or name in other:
                continue
            wanted, found = scale_of(range_, layer.activation), _scale(layer.reads)
            if found is not None and abs(found - wanted) <= NEAR * wanted:
                used.append(name)
            else:
                other[name] = "the scale of what it reads follows from other tensors of the file"
        return said(used, other)


def statistics(
    model: Any,
    quantization: Quantization,
    names: Sequence[str],
    forms: Forms,
    calibration: Calibration | None,
) -> Statistics:
    """Return what is known of a file's activations.

    Args:
        model: the objects of the flat buffer of floats.
        quantization: what is asked.
        names: of the layers, in the network.
        forms: layers, each with the form that it can have.
        calibration: of the file, with the plan of the network's training.
    """
    needing = _needing(quantization, [form for _, form in forms])
    if not needing or calibration is None:
        return Statistics(None, (None,) * len(names), {})
    bits, observer = activation_bits(needing[0]), quantization.observer
    known, nodes = calibration.ranges(observer), _nodes(model)

    def calibrated(name: str) -> Ends:
        return known.range(name, observer, bits) if name in known else (0.0, 0.0)

    trained = planned(calibration.plan, zip(names, (form for _, form in forms), strict=True))
    read = [
        Read(name, name_of(layer.reads), one)
        for name, (layer, _), one in zip(names, forms, trained, strict=True)
        if one is not None
    ]
    graph = model.subgraphs[0]
    inputs = {name_of(graph.tensors[index]) for index in graph.inputs}
    other = refused(read, nodes, inputs, calibrated)
    read = [one for one in read if one.layer not in other]
    read += _ends(graph, quantization, calibration.plan)
    given = calibration.statistics(observer, bits, spread(read, nodes, calibrated))
    return Statistics(given, tuple(trained), other)


def _ends(graph: Any, quantization: Quantization, plan: QuantizationPlan | None) -> list[Read]:
    """Return what the network returned in training, where it returns one tensor."""
    if plan is None or len(graph.outputs) != 1 or len(plan.outputs) != 1:
        return []
    range_ = plan.outputs[0]
    if range_ is None or parse(plan.form).activations != parse(quantization.form).activations:
        return []
    return [Read("", name_of(graph.tensors[graph.outputs[0]]), range_)]


def scale_of(range_: Range, kind: str) -> float:
    """Return the step of the integers, of a type of the schema's, that span a range.

    >>> scale_of(Range(-1.0, 254.0), "INT8"), scale_of(Range(-32767.0, 32767.0), "INT16")
    (1.0, 1.0)
    """
    if kind == "INT16":
        return max(-range_.low, range_.high) / 32767
    return (range_.high - range_.low) / 255


def _scale(tensor: Any) -> float | None:
    parameters = tensor.quantization
    if parameters is None or parameters.scale is None or len(parameters.scale) != 1:
        return None
    return float(np.asarray(parameters.scale, np.float64)[0])


def _needing(quantization: Quantization, forms: Sequence[Form | None]) -> list[Form]:
    every = (parse(quantization.form), *forms)
    return [form for form in every if form is not None and form.calibrated]


def _nodes(model: Any) -> list[Node]:
    """Return the operators with the tensors they take and make, constants left out."""
    graph = model.subgraphs[0]
    computed = {int(index) for one in graph.operators for index in one.outputs}
    computed |= {int(index) for index in graph.inputs}

    def names(indices: Any) -> tuple[str, ...]:
        return tuple(name_of(graph.tensors[i]) for i in indices if int(i) in computed)

    return [
        Node(names(one.inputs), names(one.outputs), kind_of(model, one) in MOVES)
        for one in graph.operators
    ]
