"""The operators of a flat buffer that have weights, and how those are stored."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mobilekit.core.errors import ExportError
from mobilekit.export.quantization.tflite_file import (
    constant,
    kind_of,
    name_of,
    stored_bytes,
    type_of,
)

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array

WEIGHTS = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "TRANSPOSE_CONV": 1,
    "FULLY_CONNECTED": 1,
    "EMBEDDING_LOOKUP": 1,
    "CONV_3D": 1,
    "CONV_3D_TRANSPOSE": 1,
    "BATCH_MATMUL": None,
}
"""Kind of operator → which input is its weights; None: whichever is constant."""
ACTIVATIONS = {"TRANSPOSE_CONV": 2, "EMBEDDING_LOOKUP": 0, "CONV_3D_TRANSPOSE": 2}
"""Kind of operator → which input is its activation, where that is not the first."""

_AXES = {
    "CONV_2D": (0, 3, 1, 2),
    "TRANSPOSE_CONV": (0, 3, 1, 2),
    "DEPTHWISE_CONV_2D": (3, 0, 1, 2),
    "CONV_3D": (4, 3, 0, 1, 2),
    "CONV_3D_TRANSPOSE": (3, 4, 0, 1, 2),
}
"""Kind of operator → its weights' axes in PyTorch's order: output channels, inputs of a group, space."""


@dataclass(frozen=True)
class Layer:
    """An operator with weights that are constant.

    Attributes:
        kind: of the operator, as the schema spells it.
        scope: names of its outputs, each with a semicolon after it, as ai-edge-quantizer joins them.
        tensor: the weights, as the schema's object; what they are stored as.
        stored: their values as they are stored, in the order of the file.
        stored_bytes: of these values.
        transposed: of a BATCH_MATMUL: its weights have the output channels last.
        reads: what the weights are applied to, as the schema's object.
        decoded: an operator makes them float before this one takes them.
    """

    kind: str
    scope: str
    tensor: Any
    stored: "Array"
    stored_bytes: int
    transposed: bool
    reads: Any
    decoded: bool

    @property
    def weights(self) -> "Array":
        """Their values, decoded anew, `[O, I, …]`."""
        values = _values(self.kind, self.tensor, self.stored)
        axes = _AXES.get(self.kind)
        if axes is not None:
            return values.transpose(axes)
        if self.kind != "BATCH_MATMUL":
            return values
        matrix = values.reshape(-1, values.shape[-1])
        return matrix.T if self.transposed else matrix

    @property
    def activation(self) -> str:
        """Element type of what the weights are applied to."""
        return type_of(self.reads)

    @property
    def name(self) -> str:
        """Of the weights in the file."""
        return name_of(self.tensor)

    @property
    def channels(self) -> int:
        """Of the output."""
        if self.kind == "BATCH_MATMUL":
            return int(self.stored.shape[-1 if self.transposed else -2])
        return int(self.stored.shape[_AXES.get(self.kind, (0,))[0]])

    @property
    def scales(self) -> "Array":
        """Of the weights, `[O]` or `[1]`; none for floats."""
        parameters = self.tensor.quantization
        if parameters is None or parameters.scale is None:
            return np.zeros(0, np.float32)
        return np.asarray(parameters.scale, np.float32)

    @cached_property
    def energy(self) -> float:
        """Sum of squares of the weights."""
        return energy_of(self.weights)

    @property
    def bits(self) -> int:
        """Of one weight."""
        return {"FLOAT32": 32, "FLOAT16": 16, "INT8": 8, "INT4": 4}[type_of(self.tensor)]


def energy_of(values: "Array") -> float:
    """Return the sum of squares of an array."""
    flat = np.asarray(values, np.float32).ravel(order="K")
    return float(np.dot(flat, flat))


def layers_of(model: Any) -> list[Layer]:
    """List the operators with constant weights, in the order they run."""
    found = []
    for graph in model.subgraphs:
        makers = {int(out): one for one in graph.operators for out in one.outputs}
        for operator in graph.operators:
            layer = _layer(model, graph, makers, operator)
            if layer is not None:
                found.append(layer)
    return found


def _layer(model: Any, graph: Any, makers: dict[int, Any], operator: Any) -> Layer | None:
    kind = kind_of(model, operator)
    if kind not in WEIGHTS:
        return None
    place = WEIGHTS[kind]
    for index in (0, 1) if place is None else (place,):
        tensor = graph.tensors[operator.inputs[index]]
        maker = makers.get(int(operator.inputs[index]))
        decoded = maker is not None and kind_of(model, maker) == "DEQUANTIZE"
        if decoded and maker is not None:
            tensor = graph.tensors[maker.inputs[0]]
        stored = constant(model, tensor)
        if stored is None or stored.ndim < 2:
            continue
        activation = graph.tensors[operator.inputs[ACTIVATIONS.get(kind, 1 - index)]]
        return Layer(
            kind,
            "".join(f"{name_of(graph.tensors[i])};" for i in operator.outputs),
            tensor,
            stored,
            stored_bytes(model, tensor),
            kind == "BATCH_MATMUL" and _outputs_last(operator, index),
            activation,
            decoded,
        )
    return None


def _outputs_last(operator: Any, place: int) -> bool:
    """Say whether the weights of a matrix product have the output channels as their last axis."""
    options = operator.builtinOptions
    flipped = bool(options and (options.adjY if place == 1 else options.adjX))
    return flipped == (place == 0)


def _values(kind: str, tensor: Any, stored: "Array") -> "Array":
    """Return the weights in float32: scale · (integer − zero point), per slice of the scaled axis."""
    if type_of(tensor) in {"FLOAT32", "FLOAT16"}:
        return stored.astype(np.float32, copy=False)
    parameters = tensor.quantization
    if parameters is None or parameters.scale is None:
        raise ExportError(f"tflite: the weights {name_of(tensor)} of a {kind} have no scale")
    shape = [1] * stored.ndim
    shape[parameters.quantizedDimension if len(parameters.scale) > 1 else 0] = -1
    found: npt.NDArray[np.float32] = stored.astype(np.float32)
    zero = np.asarray(parameters.zeroPoint, np.float32)
    if zero.any():
        found -= zero.reshape(shape)
    found *= np.asarray(parameters.scale, np.float32).reshape(shape)
    return found
