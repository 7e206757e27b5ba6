"""Biases that do not fit: their step is that of the activations times that of the weights, in 32 bits.

A filter of zeros, as pruning leaves it where it cannot go, has weights with a step near zero; what it answers
is its bias, which would be cut to nearly nothing.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mobilekit.export.quantization.tflite_file import constant, kind_of, type_of
from mobilekit.export.quantization.tflite_layers import ACTIVATIONS, WEIGHTS

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array

BIASES = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
"""Kind of operator → which input is its bias."""
MOST = 2**28
"""Greatest integer of a bias: it leaves room for the sum of products, which is small beside it then."""
_LARGEST = 127


def fit_biases(floats: Any, made: Any) -> int:
    """Give weights a larger step per output channel where the bias would not fit otherwise.

    Where a bias is 2²⁸ times the step of a product, what n weights add is small beside it: rounding them to
    the larger step costs n · 2⁻²¹ of the bias at most.

    Args:
        floats: the objects of the flat buffer of floats.
        made: those of the quantized one, with the same operators in the same order; it is changed.

    Returns:
        How many output channels have a larger step.
    """
    pairs = zip(_with_bias(floats), _with_bias(made), strict=True)
    graphs = made.subgraphs
    uses = Counter(
        (number, int(place))
        for number, graph in enumerate(graphs)
        for operator in graph.operators
        for place in operator.inputs
    )
    return sum(
        _fit(floats, before, made, after)
        for before, after in pairs
        if uses[after[0], int(after[1].inputs[WEIGHTS[after[2]]])] == 1
    )


_Found = tuple[int, Any, str]
"""Number of the graph, operator, its kind."""


def _with_bias(model: Any) -> list[_Found]:
    """List the operators with a bias, in the order they run."""
    return [
        (number, operator, kind)
        for number, graph in enumerate(model.subgraphs)
        for operator in graph.operators
        if (place := BIASES.get(kind := kind_of(model, operator), 0))
        and len(operator.inputs) > place
        and operator.inputs[place] >= 0
    ]


def _fit(floats: Any, before: _Found, made: Any, after: _Found) -> int:
    (_, operator, kind), graph = after, made.subgraphs[after[0]]
    reads = graph.tensors[operator.inputs[ACTIVATIONS.get(kind, 0)]]
    weights = graph.tensors[operator.inputs[WEIGHTS[kind]]]
    bias = graph.tensors[operator.inputs[BIASES[kind]]]
    old = floats.subgraphs[before[0]].tensors
    stored = constant(floats, old[before[1].inputs[WEIGHTS[kind]]])
    offsets = constant(floats, old[before[1].inputs[BIASES[kind]]])
    if type_of(weights) != "INT8" or type_of(bias) != "INT32" or stored is None or offsets is None:
        return 0
    values: npt.NDArray[np.float64] = stored.astype(np.float64)
    wanted: npt.NDArray[np.float64] = offsets.astype(np.float64)
    step = float(reads.quantization.scale[0])
    found = np.asarray(weights.quantization.scale, np.float64)
    needed = np.abs(wanted) / (step * MOST)
    needed = needed if len(found) > 1 else needed.max(keepdims=True)
    if not (needed > found).any():
        return 0
    scales = np.maximum(found, needed).astype(np.float32)
    shape = [1] * values.ndim
    shape[weights.quantization.quantizedDimension if len(scales) > 1 else 0] = -1
    integers = np.rint(values / scales.reshape(shape)).clip(-_LARGEST, _LARGEST)
    steps = np.broadcast_to(scales.astype(np.float64) * step, wanted.shape)
    _put(made, weights, integers.astype(np.int8), scales)
    _put(made, bias, np.rint(wanted / steps).astype(np.int32), (scales * np.float32(step)))
    return int((needed > found).sum())


def _put(model: Any, tensor: Any, values: "Array", scales: "Array") -> None:
    """Store other values in a tensor; those that other tensors share stay as they are."""
    tensor.quantization.scale = scales
    data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    users = sum(one.buffer == tensor.buffer for graph in model.subgraphs for one in graph.tensors)
    if users > 1:
        from ai_edge_litert import schema_py_generated as schema

        tensor.buffer = len(model.buffers)
        model.buffers.append(schema.BufferT())
    model.buffers[tensor.buffer].data = data
