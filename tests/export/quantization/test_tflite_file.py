"""Flat buffers: what is written is what was read, smaller where values repeat."""

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.export.quantization.tflite_file import constant, is_quantized, read, written


def _tensor(name: str, kind: int, shape: tuple[int, ...], buffer: int, channels: int = 0) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.buffer = name.encode(), kind, buffer
    tensor.shape = np.array(shape, np.int32)
    if channels:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.linspace(0.1, 1.0, channels, dtype=np.float32)
        tensor.quantization.zeroPoint = np.zeros(channels, np.int64)
    return tensor


def _model(tensors: list[Any], data: list[bytes]) -> Any:
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], []
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, [], [], []
    model.buffers = [schema.BufferT()]
    for content in data:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        model.buffers.append(buffer)
    return model


def test_equal_zero_points_are_stored_once() -> None:
    def made(names: str) -> Any:
        tensors = [_tensor(name, schema.TensorType.INT8, (500, 1), 1, 500) for name in names]
        for index, tensor in enumerate(tensors):
            tensor.quantization.scale = tensor.quantization.scale * np.float32(index + 1)
        tensors[0].quantization.zeroPoint = np.arange(500, dtype=np.int64)
        return _model(tensors, [bytes(500)])

    plain = len(flatbuffer_utils.convert_object_to_bytearray(made("abcde")))
    small = written(made("abcde"))
    assert plain - len(small) == pytest.approx(3 * 500 * 8, abs=64)  # of four that are 0, three
    for index, tensor in enumerate(read(small).subgraphs[0].tensors):
        zeros = np.zeros(500) if index else np.arange(500)
        np.testing.assert_array_equal(tensor.quantization.zeroPoint, zeros)
        np.testing.assert_array_equal(
            tensor.quantization.scale,
            np.linspace(0.1, 1.0, 500, dtype=np.float32) * np.float32(index + 1),
        )


def test_equal_constants_are_stored_once_and_read_back_as_they_were() -> None:
    data = [bytes(range(250)), bytes(range(250)), bytes(250), bytes(249)]
    tensors = [
        _tensor(str(place), schema.TensorType.UINT8, (len(content),), place + 1)
        for place, content in enumerate(data)
    ]
    tensors[0].quantization = schema.QuantizationParametersT()
    plain = len(flatbuffer_utils.convert_object_to_bytearray(_model(tensors, data)))
    small = written(_model(tensors, data))
    assert 250 <= plain - len(small) <= 250 + 64
    model = read(small)
    found = model.subgraphs[0].tensors
    assert [constant(model, tensor).tobytes() for tensor in found] == data
    assert found[0].quantization is None


@given(values=st.lists(st.integers(-8, 7), min_size=1, max_size=9))
def test_integers_of_four_bits(values: list[int]) -> None:
    nibbles = [value & 15 for value in values] + [0]
    packed = bytes(nibbles[i] | nibbles[i + 1] << 4 for i in range(0, len(values), 2))
    model = _model([_tensor("w", schema.TensorType.INT4, (1, len(values)), 1, 1)], [packed])
    model = read(written(model))
    found = constant(model, model.subgraphs[0].tensors[0])
    assert found is not None
    assert found.tolist() == [values]


def test_what_is_computed_is_no_constant() -> None:
    model = _model([_tensor("x", schema.TensorType.FLOAT32, (2,), 0)], [])
    assert constant(model, model.subgraphs[0].tensors[0]) is None


def test_scales_and_sixteen_bits_are_quantized() -> None:
    floats = _tensor("w", schema.TensorType.FLOAT32, (1, 2), 1)
    assert not is_quantized(_model([floats], [bytes(8)]))
    halves = _tensor("w", schema.TensorType.FLOAT16, (1, 2), 1)
    assert is_quantized(_model([halves], [bytes(4)]))
    assert is_quantized(_model([_tensor("w", schema.TensorType.INT8, (1, 2), 1, 1)], [bytes(2)]))
