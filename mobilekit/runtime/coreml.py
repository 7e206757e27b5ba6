"""Apple's own framework, on macOS."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.core.errors import ArtifactError, RuntimeUnavailableError
from mobilekit.runtime.arrays import check_arrays
from mobilekit.runtime.coreml_reference.description import Ends, described, described_function

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays


class CoremlRunner:
    """Runs a `.mlpackage` by Core ML; takes and gives the same arrays as the reference executor.

    Raises:
        RuntimeUnavailableError: this is no Mac.
        ArtifactError: the framework cannot compile the package.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:  # noqa: ARG002  Core ML has its own
        system: str = sys.platform
        if system != "darwin":
            raise RuntimeUnavailableError(
                f"{path.name}: Core ML runs on macOS only; use --runtime coreml-reference"
            )
        import coremltools as ct

        try:
            self._model = ct.models.MLModel(str(path))
        except Exception as problem:
            words = " ".join(str(problem).split())[:200]
            raise ArtifactError(f"{path}: cannot be loaded by Core ML ({words})") from problem
        spec = self._model.get_spec()
        self._ends: Ends = described_function(spec)
        self.inputs, self.outputs = described(spec)

    def run(self, inputs: "Arrays") -> "Arrays":
        """Compute the outputs for one set of inputs."""
        check_arrays(self.inputs, inputs)
        values = {name: self._feature(name, array) for name, array in inputs.items()}
        results = self._model.predict(values)
        return {spec.name: _array(results[spec.name]) for spec in self.outputs}

    def _feature(self, name: str, array: "Array") -> Any:
        if name not in self._ends.images:
            return array
        from PIL import Image

        pixels = array[0]
        return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _array(value: Any) -> "Array":
    import numpy as np

    if isinstance(value, dict):
        return np.array(list(value.values()), np.float32)
    if isinstance(value, str):
        return np.array([value])
    return np.asarray(value)
