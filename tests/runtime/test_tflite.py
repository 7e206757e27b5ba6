import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilekit.core.errors import ArtifactError, DataError
from mobilekit.core.tensors import TensorSpec
from mobilekit.runtime import open_model
from mobilekit.runtime.tflite import TfliteRunner, check_identifier

# One addition and one product of float32 numbers: two roundings of at most 2⁻²⁴ each, the first of
# them doubled by the square.
EXACTNESS = 4 * 2.0**-24


def test_names_types_and_layouts_come_from_the_signature(tflite_file: Path) -> None:
    runner = TfliteRunner(tflite_file)
    assert runner.inputs == (TensorSpec("image", (1, 6, 5, 3), "float32", "NHWC"),)
    assert runner.outputs == (TensorSpec("scores", (1, 6, 5, 3), "float32", "NHWC"),)


@pytest.mark.parametrize("delegate", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_computes_what_the_file_says(
    tflite_file: Path, image: np.ndarray, expected: np.ndarray, delegate: bool, threads: int
) -> None:
    outputs = TfliteRunner(tflite_file, threads, delegate=delegate).run({"image": image})
    assert list(outputs) == ["scores"]
    np.testing.assert_allclose(outputs["scores"], expected, rtol=EXACTNESS * 4, atol=1e-6)


def test_a_second_run_does_not_change_the_first_ones_result(
    tflite_file: Path, image: np.ndarray
) -> None:
    runner = TfliteRunner(tflite_file)
    first = runner.run({"image": image})["scores"]
    kept = first.copy()
    runner.run({"image": image + 1})
    np.testing.assert_array_equal(first, kept)


def test_takes_arrays_that_are_not_contiguous(
    tflite_file: Path, image: np.ndarray, expected: np.ndarray
) -> None:
    turned = np.ascontiguousarray(image.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert not turned.flags.c_contiguous
    outputs = TfliteRunner(tflite_file).run({"image": turned})
    np.testing.assert_allclose(outputs["scores"], expected, rtol=EXACTNESS * 4, atol=1e-6)


def test_without_signature_the_tensors_name_the_ends(tmp_path: Path, image: np.ndarray) -> None:
    from tests.runtime.conftest import flatbuffer

    path = tmp_path / "unsigned.tflite"
    path.write_bytes(flatbuffer(signature=False))
    runner = TfliteRunner(path)
    assert [spec.name for spec in (*runner.inputs, *runner.outputs)] == ["t_in", "t_out"]
    assert set(runner.run({"t_in": image})) == {"t_out"}


def test_lists_the_operators_with_their_tensors(tflite_file: Path) -> None:
    operators = TfliteRunner(tflite_file, delegate=False).operators()
    assert [(o.index, o.kind, o.inputs, o.outputs) for o in operators] == [
        (0, "ADD", (0, 1), (2,)),
        (1, "MUL", (2, 2), (3,)),
    ]


def test_tensor_indices_are_those_of_the_signature(tflite_file: Path) -> None:
    assert TfliteRunner(tflite_file).tensor_indices() == ({"image": 0}, {"scores": 3})


def test_keeps_all_values_when_asked(tflite_file: Path, image: np.ndarray) -> None:
    runner = TfliteRunner(tflite_file, delegate=False, keep_all=True)
    runner.run({"image": image})
    values = runner.tensor_values()
    name, total = values[2]
    assert name == "t_sum"
    np.testing.assert_allclose(total, image + np.array([1, 2, 3], np.float32), rtol=2.0**-23)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: {"picture": a}, "['picture'] given, ['image'] expected"),
        (lambda _: {}, "[] given"),
        (lambda a: {"image": a, "more": a}, "given, ['image'] expected"),
        (lambda a: {"image": a[:, :5]}, "[1, 5, 5, 3] float32 given, [1, 6, 5, 3] float32"),
        (lambda a: {"image": a[0]}, "[6, 5, 3] float32 given"),
        (lambda a: {"image": a.astype(np.float64)}, "float64 given"),
    ],
)
def test_refuses_inputs_that_do_not_fit(
    tflite_file: Path, image: np.ndarray, change: object, words: str
) -> None:
    runner = TfliteRunner(tflite_file)
    with pytest.raises(DataError) as caught:
        runner.run(change(image))  # type: ignore[operator]
    assert words in str(caught.value)


@pytest.mark.parametrize("keep", [0, 3, 8, 40, 200, -1, -20])
def test_a_truncated_file_is_one_line(tflite_file: Path, keep: int) -> None:
    tflite_file.write_bytes(tflite_file.read_bytes()[:keep])
    with pytest.raises(ArtifactError) as caught:
        TfliteRunner(tflite_file)
    assert str(tflite_file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_foreign_file_is_refused_by_its_identifier(tmp_path: Path) -> None:
    path = tmp_path / "photo.tflite"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(ArtifactError, match=r"is no \.tflite file"):
        check_identifier(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file"):
        TfliteRunner(tmp_path / "none.tflite")


def test_open_model_picks_the_runner_by_suffix(tflite_file: Path) -> None:
    assert isinstance(open_model(tflite_file), TfliteRunner)


def test_runs_without_torch_and_without_a_word_on_stderr(tflite_file: Path) -> None:
    program = (
        "import sys, numpy as np; from pathlib import Path;"
        "from mobilekit.runtime.tflite import TfliteRunner;"
        f"r = TfliteRunner(Path({str(tflite_file)!r}));"
        "r.run({'image': np.zeros((1, 6, 5, 3), np.float32)});"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
    assert done.stderr == ""
