"""Small model files made by hand, so that no converter is needed to test the runtimes."""

from pathlib import Path

import numpy as np
import pytest

OFFSETS = (1.0, 2.0, 3.0)
SHAPE = (1, 6, 5, 3)


def flatbuffer(*, signature: bool = True) -> bytes:
    """A TFLite file that computes scores = (image + OFFSETS)²."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    def tensor(name: str, shape: tuple[int, ...], buffer: int) -> object:
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name.encode(), np.array(shape, np.int32), buffer
        made.type = schema.TensorType.FLOAT32
        return made

    def code(kind: int) -> object:
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = kind
        made.version = 1
        return made

    def operator(index: int, inputs: tuple[int, ...], output: int, options: str) -> object:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs = index, np.array(inputs, np.int32)
        made.outputs = np.array([output], np.int32)
        made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        made.builtinOptions = getattr(schema, f"{options}T")()
        return made

    def named(name: str, index: int) -> object:
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name.encode(), index
        return made

    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("t_in", SHAPE, 0),
        tensor("offsets", (3,), 1),
        tensor("t_sum", SHAPE, 0),
        tensor("t_out", SHAPE, 0),
    ]
    graph.operators = [
        operator(0, (0, 1), 2, "AddOptions"),
        operator(1, (2, 2), 3, "MulOptions"),
    ]
    graph.inputs, graph.outputs = np.array([0], np.int32), np.array([3], np.int32)
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = np.frombuffer(np.array(OFFSETS, np.float32).tobytes(), np.uint8)
    model.operatorCodes = [code(schema.BuiltinOperator.ADD), code(schema.BuiltinOperator.MUL)]
    model.subgraphs = [graph]
    if signature:
        entry = schema.SignatureDefT()
        entry.signatureKey, entry.subgraphIndex = b"serving_default", 0
        entry.inputs, entry.outputs = [named("image", 0)], [named("scores", 3)]
        model.signatureDefs = [entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


@pytest.fixture
def tflite_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(flatbuffer())
    return path


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(3).standard_normal(SHAPE).astype(np.float32)


@pytest.fixture
def expected(image: np.ndarray) -> np.ndarray:
    return ((image.astype(np.float64) + np.array(OFFSETS)) ** 2).astype(np.float32)


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    """An ONNX file that computes scores = a · b + 1 with a free batch."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["a", "b"], ["product"]),
            helper.make_node("Add", ["product", "one"], ["scores"]),
            helper.make_node("Cast", ["scores"], ["whole"], to=TensorProto.INT64),
        ],
        "g",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [4, 2]),
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info("whole", TensorProto.INT64, ["batch", 2]),
        ],
        [numpy_helper.from_array(np.ones(1, np.float32), "one")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path))
    return path
