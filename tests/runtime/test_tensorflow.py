import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilekit.core.errors import ArtifactError, RuntimeUnavailableError
from mobilekit.runtime.tensorflow import TensorflowRunner


@pytest.fixture
def tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module called tensorflow whose interpreter is LiteRT's: the two have one interface."""
    folder = tmp_path / "stand-in"
    folder.mkdir()
    (folder / "tensorflow.py").write_text(
        "from types import SimpleNamespace\n"
        "from ai_edge_litert.interpreter import Interpreter\n"
        "print('noise on stdout')\n"
        "lite = SimpleNamespace(Interpreter=Interpreter)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_without_tensorflow_it_says_how_to_install_it(
    tflite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'mobilekit\[tensorflow\]'"):
        TensorflowRunner(tflite_file)


@pytest.mark.usefixtures("tensorflow")
def test_runs_a_file_under_the_names_of_its_signature(
    tflite_file: Path, image: np.ndarray, expected: np.ndarray
) -> None:
    runner = TensorflowRunner(tflite_file)
    assert [spec.name for spec in (*runner.inputs, *runner.outputs)] == ["image", "scores"]
    found = runner.run({"image": image})["scores"]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.usefixtures("tensorflow")
def test_a_truncated_file_is_one_line(tflite_file: Path) -> None:
    tflite_file.write_bytes(tflite_file.read_bytes()[:200])
    with pytest.raises(ArtifactError, match="cannot be run by TensorFlow"):
        TensorflowRunner(tflite_file)


def test_tensorflow_itself_agrees(
    tflite_file: Path, image: np.ndarray, expected: np.ndarray
) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is an extra and not installed here; CI installs it")
    found = TensorflowRunner(tflite_file).run({"image": image})["scores"]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.usefixtures("tensorflow")
def test_a_process_that_dies_is_one_line(tflite_file: Path, image: np.ndarray) -> None:
    runner = TensorflowRunner(tflite_file)
    runner._process.kill()
    runner._process.wait()
    with pytest.raises(RuntimeUnavailableError, match="ended with code -9"):
        runner.run({"image": image})
