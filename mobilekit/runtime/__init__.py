"""How to run a model file: one Runner per runtime, on dictionaries of NumPy arrays."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mobilekit.core.errors import ArtifactError, UsageError, suggestion
from mobilekit.core.tensors import TensorSpec

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays

_RUNNERS = {
    "coreml": ("mobilekit.runtime.coreml", "CoremlRunner"),
    "coreml-reference": ("mobilekit.runtime.coreml_reference", "ReferenceRunner"),
    "tflite": ("mobilekit.runtime.tflite", "TfliteRunner"),
    "onnx": ("mobilekit.runtime.onnx", "OnnxRunner"),
    "tensorflow": ("mobilekit.runtime.tensorflow", "TensorflowRunner"),
    "torch": ("mobilekit.runtime.torch", "TorchRunner"),
    "source": ("mobilekit.runtime.source", "SourceRunner"),
}
"""Where each is; a runner is imported when it is asked for."""
RUNTIMES = tuple(_RUNNERS)


class Runner(Protocol):
    """A loaded model.

    `inputs` and `outputs` are the file's own specs (its own names, shapes, types and order of
    axes); `run` takes and returns arrays in exactly that form.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, inputs: "Arrays") -> "Arrays":
        """Compute the outputs for one set of inputs."""
        ...


def default_runtime(path: Path) -> str:
    """Name the runtime that a file is run by on this machine, by its suffix."""
    known = {
        ".mlpackage": "coreml-reference",
        ".tflite": "tflite",
        ".onnx": "onnx",
        ".pt2": "torch",
        ".source": "source",
    }
    if path.suffix not in known:
        raise ArtifactError(f"{path}: not a model file ({', '.join(known)})")
    return known[path.suffix]


def open_model(path: Path, runtime: str | None = None, threads: int = 1) -> Runner:
    """Load a model file with the named runtime, or with its format's own.

    Raises:
        ArtifactError: the file is missing, damaged or of another format.
        RuntimeUnavailableError: the runtime is not installed or not for this platform.
        UsageError: the runtime is unknown.
    """
    if not path.exists():
        raise ArtifactError(f"{path}: no such file")
    name = runtime or default_runtime(path)
    if name in _RUNNERS:
        module, kind = _RUNNERS[name]
        made: Runner = getattr(importlib.import_module(module), kind)(path, threads=threads)
        return made
    raise UsageError(
        f"unknown runtime {name!r}; one of {', '.join(RUNTIMES)}.{suggestion(name, RUNTIMES)}"
    )
