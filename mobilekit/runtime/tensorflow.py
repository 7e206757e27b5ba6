"""TensorFlow's own TFLite interpreter: a second opinion on `.tflite` files (an extra).

It runs in a process of its own: TensorFlow and torch bring an LLVM each, and crash side by side.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mobilekit.core import errors
from mobilekit.core.errors import ArtifactError, RuntimeUnavailableError
from mobilekit.core.tensors import TensorSpec
from mobilekit.runtime.arrays import check_arrays
from mobilekit.runtime.frames import read_frame, write_frame
from mobilekit.runtime.tflite import check_identifier

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays


class TensorflowRunner:
    """Runs a `.tflite` file by `tf.lite.Interpreter`.

    Raises:
        RuntimeUnavailableError: TensorFlow is not installed, or crashes.
        ArtifactError: missing, truncated, of another format, or with an operator it lacks.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        check_identifier(path)
        if importlib.util.find_spec("tensorflow") is None:
            raise RuntimeUnavailableError(
                "runtime tensorflow: TensorFlow is not installed; pip install 'mobilekit[tensorflow]'"
            )
        self.path = path
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mobilekit.runtime.tensorflow_process", str(path), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", **os.environ},
        )
        self._close = weakref.finalize(self, _end, self._process)
        ends = json.loads(self._answer())
        self.inputs, self.outputs = (
            msgspec.convert(ends[side], tuple[TensorSpec, ...]) for side in ("inputs", "outputs")
        )

    def run(self, inputs: "Arrays") -> "Arrays":
        """Compute the outputs for one set of inputs."""
        from safetensors.numpy import load, save

        check_arrays(self.inputs, inputs)
        assert self._process.stdin is not None  # noqa: S101  asked for above
        with contextlib.suppress(BrokenPipeError):  # the answer says why
            write_frame(self._process.stdin, b"run", save(inputs))
        return load(self._answer())

    def _answer(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101  asked for above
        kind, content = read_frame(self._process.stdout)
        if kind == b"good":
            return content
        if kind == b"":
            code = self._process.wait()
            self._close()
            raise RuntimeUnavailableError(f"runtime tensorflow: its process ended with code {code}")
        problem: dict[str, Any] = json.loads(content)
        self._close()
        raise getattr(errors, problem["error"], ArtifactError)(problem["message"])


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
