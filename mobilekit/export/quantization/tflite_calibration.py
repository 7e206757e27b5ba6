"""Ranges of the activations of a LiteRT file, from inputs run through the file of floats."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilekit.core.errors import DataError
from mobilekit.core.quantization import Observer
from mobilekit.core.quantization_plan import QuantizationPlan
from mobilekit.export.quantization.ranges import Ranges
from mobilekit.export.quantization.tflite_file import kind_of, name_of, read, type_of
from mobilekit.runtime.arrays import check_arrays
from mobilekit.runtime.tflite import open_interpreter, signature_of, spec_of

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays

BEYOND = 3e38
"""Operators that pad with minus infinity, for a maximum taken next, pad with this or less."""
_PADDING = "PADV2"


class Calibration:
    """Inputs for one file, and the ranges of its tensors once they are asked for.

    Several forms share one: the file runs over the inputs at most twice, once for `minmax` and once for
    the other observers.
    """

    def __init__(self, file: Path, inputs: "Iterable[Arrays]") -> None:
        """Keep the inputs, which are in the layout and types of the file.

        Raises:
            DataError: there are none.
        """
        self.file = file
        self.inputs = list(inputs)
        self.plan: QuantizationPlan | None = None
        """Ranges of quantization-aware training, which go before calibrated ones."""
        self._ranges: dict[bool, Ranges] = {}
        if not self.inputs:
            raise DataError(f"calibration: there are no inputs for {file.name}")

    def ranges(self, observer: Observer) -> Ranges:
        """Return the ranges of all tensors that are computed, and of the inputs.

        Raises:
            DataError: a tensor becomes infinite or no number, or an input does not fit the file.
        """
        counted = observer != "minmax"
        if counted not in self._ranges:
            self._ranges[counted] = _collected(self.file, self.inputs, observer)
        return self._ranges[counted]

    def statistics(
        self, observer: Observer, bits: int, trained: Mapping[str, tuple[float, float]]
    ) -> dict[str, dict[str, Any]]:
        """Return tensor → `min` and `max` as ai-edge-quantizer takes them.

        Args:
            observer: how ranges follow from the values.
            bits: of an activation.
            trained: tensor → range that goes before the calibrated one.
        """
        ranges = self.ranges(observer)
        dimensions = {name: rank for name, rank, _ in _computed(self.file).values()}
        found = {}
        for name in ranges:
            low, high = trained[name] if name in trained else ranges.range(name, observer, bits)
            shape = (1,) * dimensions[name]
            found[name] = {
                "min": np.full(shape, low, np.float32),
                "max": np.full(shape, high, np.float32),
            }
        return found


def collect(file: Path, inputs: "Iterable[Arrays]") -> Calibration:
    """Return what `quantize` needs for the static forms of a file.

    Args:
        file: of floats.
        inputs: name of each of the file's inputs → array.

    Raises:
        DataError: there are none.
    """
    return Calibration(file, inputs)


def _collected(file: Path, inputs: "list[Arrays]", observer: Observer) -> Ranges:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        interpreter = open_interpreter(file, 1, delegate=True, keep_all=True)
    _, ends, _ = signature_of(interpreter)
    specs = tuple(spec_of(name, detail) for name, detail in ends.items())
    computed = _computed(file)
    ranges = Ranges(observer)
    for arrays in inputs:
        check_arrays(specs, arrays)
        for name, array in arrays.items():
            interpreter.set_tensor(ends[name]["index"], array)
        interpreter.invoke()
        for index, (name, _, padded) in computed.items():
            values: Array = interpreter.tensor(index)()  # a view, gone before the next run
            ranges.add(name, values[np.abs(values) < BEYOND] if padded else values)
            del values
    return ranges


def _computed(file: Path) -> dict[int, tuple[str, int, bool]]:
    """Return index → (name, dimensions, padded with infinity) of the floats that are computed."""
    model = read(file.read_bytes())
    graph = model.subgraphs[0]
    found = {int(index): False for index in graph.inputs}
    for operator in graph.operators:
        for index in operator.outputs:
            found[int(index)] = kind_of(model, operator) == _PADDING
    return {
        index: (name_of(tensor), len(tensor.shape) if tensor.shape is not None else 0, padded)
        for index, padded in found.items()
        if type_of(tensor := graph.tensors[index]) == "FLOAT32"
    }
