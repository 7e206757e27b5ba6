"""A LiteRT file of floats, opened once for all that is made of it."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.core.errors import ExportError, NoEffectError
from mobilekit.export.quantization.matching import match
from mobilekit.export.quantization.tflite_file import is_quantized, read
from mobilekit.export.quantization.tflite_layers import layers_of

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array


class Source:
    """The objects of a flat buffer of floats, and its layers with weights."""

    def __init__(self, file: Path) -> None:
        """Read a file.

        Raises:
            ExportError: it is quantized already.
            NoEffectError: it has no layers with weights.
        """
        self.model = read(file.read_bytes())
        if is_quantized(self.model):
            raise ExportError(
                f"tflite: {file.name} is quantized already; quantize the file of float32 it was made"
                " from"
            )
        self.layers = layers_of(self.model)
        if not self.layers:
            raise NoEffectError(f"tflite: {file.name} has no layers with weights to quantize")
        self._names: list[str] = []
        self._network: Mapping[str, Array] | None = None

    def names(self, network: "Mapping[str, Array]") -> list[str]:
        """Return for each layer the network's name; the tensor's where no layer has its weights."""
        if self._network is not network:
            weights = {str(index): layer.weights for index, layer in enumerate(self.layers)}
            found = match(weights, network)
            self._names = [found.get(str(i), layer.name) for i, layer in enumerate(self.layers)]
            self._network = network
        return self._names


def opened(file: Path) -> Source:
    """Return the source of a file; the last one is kept as long as the file is as it was."""
    state = file.stat()
    return _opened(file.resolve(), state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1)
def _opened(file: Path, _changed_ns: int, _size: int) -> Source:
    return Source(file)
