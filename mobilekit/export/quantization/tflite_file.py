"""LiteRT flat buffers: read to objects, written small, with what a person needs to know inside."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from mobilekit.export.tflite import METADATA
from mobilekit.runtime.tflite import IDENTIFIER

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array

_ROOM = 2**20
"""Bytes to begin with for what is no weights; more are taken when needed."""


def read(content: bytes) -> Any:
    """Return the objects of a flat buffer; weights that lie behind it are taken into it."""
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def written(model: Any) -> bytes:
    """Return the flat buffer of objects; constants and quantization parameters that are equal are stored once.

    A zero point takes 8 bytes and each output channel has one: in a depthwise convolution of 3 × 3 weights
    of 8 bits they take nearly as much as the weights, and all of them are 0. LiteRT refuses to load fewer of
    them than scales. Weights that are decoded before use are named once: as they are stored.
    """
    known: dict[tuple[Any, ...], Any] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            if kind_of(model, operator) == "DEQUANTIZE" and stored_bytes(
                model, graph.tensors[operator.inputs[0]]
            ):
                graph.tensors[operator.outputs[0]].name = None
        for tensor in graph.tensors:
            found = tensor.quantization
            if found is not None and found.zeroPoint is not None and not found.details:
                tensor.quantization = _Sharing(found, known)
            elif found is not None and _says_nothing(found):
                tensor.quantization = None
    builder = _builder(_ROOM + sum(_size(buffer.data) for buffer in model.buffers))
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


def describe(model: Any, key: str, value: Any) -> None:
    """Set one entry of the JSON that the file says of itself; a file without it stays without."""
    import numpy as np

    for entry in model.metadata or []:
        if entry.name == METADATA.encode():
            buffer = model.buffers[entry.buffer]
            words = json.loads(bytes(buffer.data))
            buffer.data = np.frombuffer(json.dumps({**words, key: value}).encode(), np.uint8)


def is_quantized(model: Any) -> bool:
    """Say whether a file holds quantized values, or weights of 16 bits."""
    return any(
        (tensor.quantization is not None and tensor.quantization.scale is not None)
        or type_of(tensor) == "FLOAT16"
        for graph in model.subgraphs
        for tensor in graph.tensors
    )


def type_of(tensor: Any) -> str:
    """Return the name of a tensor's element type, as the schema spells it."""
    return _names("TensorType")[tensor.type]


def kind_of(model: Any, operator: Any) -> str:
    """Return the name of an operator's kind, as the schema spells it."""
    code = model.operatorCodes[operator.opcodeIndex]
    return _names("BuiltinOperator")[max(code.builtinCode, code.deprecatedBuiltinCode)]


def constant(model: Any, tensor: Any) -> "Array | None":
    """Return the values of a constant as they are stored; None for what is computed.

    Integers of 4 bits come unpacked (the first of a pair in the low bits), as int8.
    """
    import numpy as np

    data = model.buffers[tensor.buffer].data
    if not _size(data):
        return None
    raw = np.frombuffer(np.ascontiguousarray(data), np.uint8)
    shape = tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()
    kind = type_of(tensor)
    if kind == "INT4":
        pairs = np.stack([raw << 4, raw], axis=1).astype(np.uint8).view(np.int8) >> 4
        return pairs.ravel()[: int(np.prod(shape))].reshape(shape)
    found: Array = raw.view(np.dtype(kind.lower())).reshape(shape)
    return found


def stored_bytes(model: Any, tensor: Any) -> int:
    """Return the bytes of a constant's values in the file."""
    return _size(model.buffers[tensor.buffer].data)


def name_of(tensor: Any) -> str:
    """Return a tensor's name."""
    return str(tensor.name.decode()) if tensor.name else ""


class _Sharing:
    """Quantization parameters that pack what they have in common with others once per flat buffer."""

    def __init__(self, parameters: Any, known: dict[tuple[Any, ...], Any]) -> None:
        """Wrap parameters; `known` holds what one builder has already."""
        self._parameters, self._known = parameters, known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parameters, name)

    def Pack(self, builder: Any) -> Any:  # noqa: N802  the schema's name
        """Pack them into a builder."""
        import numpy as np
        from ai_edge_litert import schema_py_generated as schema

        scale = builder.CreateNumpyVector(np.asarray(self._parameters.scale, np.float32))
        zero = builder.CreateNumpyVector(np.asarray(self._parameters.zeroPoint, np.int64))
        key = (scale, zero, self._parameters.quantizedDimension)
        if key not in self._known:
            schema.QuantizationParametersStart(builder)
            schema.QuantizationParametersAddScale(builder, scale)
            schema.QuantizationParametersAddZeroPoint(builder, zero)
            schema.QuantizationParametersAddQuantizedDimension(builder, key[2])
            self._known[key] = schema.QuantizationParametersEnd(builder)
        return self._known[key]


def _says_nothing(parameters: Any) -> bool:
    given = (parameters.scale, parameters.zeroPoint, parameters.min, parameters.max)
    return all(one is None for one in given) and not parameters.details


def _builder(room: int) -> Any:
    """Return a builder that writes arrays of the same type and bytes once, with room for so many bytes."""
    import flatbuffers  # type: ignore[import-untyped]

    class Sharing(flatbuffers.Builder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(room)
            self._known: dict[tuple[str, int, bytes], Any] = {}

        def CreateNumpyVector(self, x: "Array") -> Any:  # noqa: N802  the library's name
            key = (x.dtype.name, x.nbytes, hashlib.sha256(x.tobytes()).digest())
            if key not in self._known:
                self._known[key] = super().CreateNumpyVector(x)
            return self._known[key]

    return Sharing()


def _size(data: Any) -> int:
    return 0 if data is None else memoryview(data).nbytes


def _names(enumeration: str) -> dict[int, str]:
    if enumeration not in _NAMES:
        from ai_edge_litert import schema_py_generated as schema

        values = vars(getattr(schema, enumeration))
        _NAMES[enumeration] = {v: k for k, v in values.items() if isinstance(v, int)}
    return _NAMES[enumeration]


_NAMES: dict[str, dict[int, str]] = {}
