from pathlib import Path

import numpy as np
import pytest

from mobilekit.core.errors import ArtifactError, DataError
from mobilekit.core.tensors import TensorSpec
from mobilekit.runtime import open_model
from mobilekit.runtime.onnx import OnnxRunner


def arrays(batch: int) -> dict[str, np.ndarray]:
    # Small whole numbers: every product and sum is exact in float32.
    generator = np.random.default_rng(5)
    return {
        "a": generator.integers(-8, 9, (batch, 4)).astype(np.float32),
        "b": generator.integers(-8, 9, (4, 2)).astype(np.float32),
    }


def test_a_free_dimension_shows_as_one(onnx_file: Path) -> None:
    runner = OnnxRunner(onnx_file)
    assert runner.inputs == (TensorSpec("a", (1, 4)), TensorSpec("b", (4, 2)))
    assert runner.outputs == (TensorSpec("scores", (1, 2)), TensorSpec("whole", (1, 2), "int64"))


@pytest.mark.parametrize("batch", [1, 3])
def test_computes_what_the_file_says(onnx_file: Path, batch: int) -> None:
    inputs = arrays(batch)
    outputs = OnnxRunner(onnx_file, threads=2).run(inputs)
    np.testing.assert_array_equal(outputs["scores"], inputs["a"] @ inputs["b"] + 1)
    assert outputs["whole"].dtype == np.int64


def test_refuses_inputs_that_do_not_fit(onnx_file: Path) -> None:
    inputs = arrays(1)
    with pytest.raises(DataError, match=r"\[1, 5\] float32 given, \[1, 4\] float32 expected"):
        OnnxRunner(onnx_file).run({**inputs, "a": np.zeros((1, 5), np.float32)})
    with pytest.raises(DataError, match="float64 given"):
        OnnxRunner(onnx_file).run({**inputs, "a": np.zeros((1, 4))})
    with pytest.raises(DataError, match=r"\['a'\] given, \['a', 'b'\] expected"):
        OnnxRunner(onnx_file).run({"a": inputs["a"]})


@pytest.mark.parametrize("keep", [0, 5, 60, -10])
def test_a_truncated_file_is_one_line(onnx_file: Path, keep: int) -> None:
    onnx_file.write_bytes(onnx_file.read_bytes()[:keep])
    with pytest.raises(ArtifactError) as caught:
        OnnxRunner(onnx_file)
    assert str(onnx_file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        open_model(tmp_path / "none.onnx")


def test_open_model_picks_the_runner_by_suffix(onnx_file: Path) -> None:
    assert isinstance(open_model(onnx_file), OnnxRunner)


def test_only_the_batch_is_free_of_the_input_that_leaves_it_open(onnx_file: Path) -> None:
    inputs = arrays(2)
    with pytest.raises(DataError, match="input b"):
        OnnxRunner(onnx_file).run({**inputs, "b": np.zeros((3, 2), np.float32)})


def test_what_the_runtime_itself_refuses_is_one_line(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["sum"])],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "ab"],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n"])],
    )
    path = tmp_path / "add.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    with pytest.raises(DataError, match="cannot be run on these inputs") as caught:
        OnnxRunner(path).run({"a": np.zeros(2, np.float32), "b": np.zeros(3, np.float32)})
    assert "\n" not in str(caught.value)
