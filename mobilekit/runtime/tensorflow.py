"""TensorFlow's own TFLite interpreter: a second opinion on `.tflite` files (an extra)."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.core.errors import ArtifactError, RuntimeUnavailableError
from mobilekit.runtime.arrays import check_arrays
from mobilekit.runtime.quiet import without_stderr
from mobilekit.runtime.tflite import _signature, _spec, check_identifier

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays


class TensorflowRunner:
    """Runs a `.tflite` file by `tf.lite.Interpreter`.

    Raises:
        RuntimeUnavailableError: TensorFlow is not installed.
        ArtifactError: missing, truncated, of another format, or with an operator it lacks.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        check_identifier(path)
        interpreter_of = _interpreter_class()
        try:
            with without_stderr():
                self._interpreter = interpreter_of(model_path=str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as problem:
            words = " ".join(str(problem).split())[:200]
            raise ArtifactError(f"{path}: cannot be run by TensorFlow ({words})") from problem
        _, names_in, names_out = _signature(self._interpreter)
        self.inputs = tuple(_spec(name, detail) for name, detail in names_in.items())
        self.outputs = tuple(_spec(name, detail) for name, detail in names_out.items())
        self._in = {name: detail["index"] for name, detail in names_in.items()}
        self._out = {name: detail["index"] for name, detail in names_out.items()}

    def run(self, inputs: "Arrays") -> "Arrays":
        """Compute the outputs for one set of inputs."""
        check_arrays(self.inputs, inputs)
        for name, array in inputs.items():
            self._interpreter.set_tensor(self._in[name], array)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._out.items()}


def _interpreter_class() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        with without_stderr():
            import tensorflow as tf
    except ImportError:
        raise RuntimeUnavailableError(
            "runtime tensorflow: TensorFlow is not installed; pip install 'mobilekit[tensorflow]'"
        ) from None
    return tf.lite.Interpreter
