"""ONNX Runtime, for `.onnx` files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.core.errors import ArtifactError, DataError
from mobilekit.core.tensors import TensorSpec, guess_layout
from mobilekit.runtime.arrays import check_arrays

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays

_DTYPES = {
    "tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64",
    "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(int16)": "int16",
    "tensor(int8)": "int8", "tensor(uint8)": "uint8", "tensor(bool)": "bool",
}  # fmt: skip
_ERRORS_ONLY = 3


class OnnxRunner:
    """Runs an `.onnx` file on the CPU; a free dimension shows as 1 and takes any size.

    Raises:
        ArtifactError: missing, truncated, or of another format.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnxruntime

        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as problem:
            words = " ".join(str(problem).split())[:200]
            raise ArtifactError(f"{path}: cannot be run by ONNX Runtime ({words})") from problem
        self.inputs = tuple(_spec(path, value) for value in self._session.get_inputs())
        self.outputs = tuple(_spec(path, value) for value in self._session.get_outputs())
        self._free = {
            value.name: frozenset(
                axis for axis, size in enumerate(value.shape) if not isinstance(size, int)
            )
            for value in self._session.get_inputs()
        }

    def run(self, inputs: "Arrays") -> "Arrays":
        """Compute the outputs for one set of inputs."""
        check_arrays(self.inputs, inputs, self._free)
        names = [spec.name for spec in self.outputs]
        try:
            results = self._session.run(names, dict(inputs))
        except Exception as problem:
            words = " ".join(str(problem).split())[:200]
            raise DataError(f"{self.path}: cannot be run on these inputs ({words})") from problem
        return dict(zip(names, results, strict=True))


def _spec(path: Path, value: Any) -> TensorSpec:
    if value.type not in _DTYPES:
        raise ArtifactError(f"{path}: {value.name} is a {value.type}; only tensors can be run")
    shape = tuple(size if isinstance(size, int) else 1 for size in value.shape)
    dtype = _DTYPES[value.type]
    return TensorSpec(value.name, shape, dtype, guess_layout(shape, dtype))
