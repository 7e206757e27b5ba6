"""How to run a model file: one Runner per runtime, on dictionaries of NumPy arrays."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mobilekit.core.errors import ArtifactError, UsageError, suggestion
from mobilekit.core.tensors import TensorSpec

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays

RUNTIMES = ("coreml", "coreml-reference", "tflite", "onnx", "tensorflow", "torch")


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
    if name == "tflite":
        from mobilekit.runtime.tflite import TfliteRunner

        return TfliteRunner(path, threads)
    if name == "onnx":
        from mobilekit.runtime.onnx import OnnxRunner

        return OnnxRunner(path, threads)
    if name == "tensorflow":
        from mobilekit.runtime.tensorflow import TensorflowRunner

        return TensorflowRunner(path, threads)
    if name == "torch":
        from mobilekit.runtime.torch import TorchRunner

        return TorchRunner(path, threads)
    if name == "coreml-reference":
        from mobilekit.runtime.coreml_reference import ReferenceRunner

        return ReferenceRunner(path, threads=threads)
    if name == "coreml":
        from mobilekit.runtime.coreml import CoremlRunner

        return CoremlRunner(path)
    raise UsageError(
        f"unknown runtime {name!r}; one of {', '.join(RUNTIMES)}.{suggestion(name, RUNTIMES)}"
    )
