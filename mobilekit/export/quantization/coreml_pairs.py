"""Pairs of quantize and dequantize among the operators of a block, with the scales of their ranges."""

from typing import Any

import numpy as np

from mobilekit.export.quantization.coreml_activations import Points, bindings
from mobilekit.export.quantization.coreml_encoding import FLOATS, Numbers, Stored
from mobilekit.export.quantization.coreml_integers import rounded_up
from mobilekit.export.quantization.coreml_package import type_of
from mobilekit.export.quantization.coreml_writing import constant, text_constant
from mobilekit.export.quantization.ranges import Ranges

_LEVELS = 255


def with_pairs(
    operations: "list[Any]",
    kinds: "dict[str, Any]",
    points: Points,
    statistics: Ranges,
    prefix: str,
) -> "list[Any]":
    """Return the operators of a block with pairs of quantize and dequantize among them.

    Args:
        operations: of the block; inputs are redirected in place.
        kinds: type (protobuf) of each input of the function.
        points: where pairs belong.
        statistics: the ranges.
        prefix: of new names.
    """
    wanted = {*points.before, *points.after}
    pairs = _Pairs(statistics, prefix)
    result = [text_constant(f"{prefix}type", "int8")] if wanted else []
    for name, kind in kinds.items():
        result += pairs.after(name, kind) if name in wanted else []
    for one in operations:
        result.append(one)
        for output in one.outputs:
            result += pairs.after(output.name, output.type) if output.name in wanted else []
    for one in operations:
        core = bool(one.outputs) and one.outputs[0].name in points.cores
        for binding in bindings(one):
            if binding.name in pairs.ends and (core or binding.name in points.after):
                binding.name = pairs.ends[binding.name]
    return result


def scale_of(low: float, high: float, kind: np.dtype[Any]) -> tuple[Numbers, Numbers]:
    """Return the scale and the zero point of 8-bit integers that span a range with 0 in it.

    >>> scale_of(-1.0, 254.0, np.dtype("float32"))
    (array(1., dtype=float32), array(-127, dtype=int8))
    """
    scale = rounded_up(np.array((high - low) / _LEVELS), kind)
    zero = np.clip(np.rint(-128.0 - low / float(scale)), -128, 127)
    return np.asarray(scale), np.asarray(zero, np.int8)


class _Pairs:
    """Makes pairs of quantize and dequantize, with short names and each constant once."""

    def __init__(self, statistics: Ranges, prefix: str) -> None:
        self.ends: dict[str, str] = {}
        """Value → what stands for it, after its pair."""
        self._statistics = statistics
        self._prefix = prefix
        self._known: set[str] = set()

    def after(self, name: str, kind: Any) -> "list[Any]":
        """Return the pair of a value, after the constants it needs."""
        from coremltools.proto import MIL_pb2

        tag = f"{self._prefix}{len(self.ends)}"
        self.ends[name] = f"{tag}real"
        width = np.dtype(next(word for word, mil in FLOATS.items() if mil == type_of(kind)))
        scale, zero = scale_of(*self._statistics.range(name), kind=width)
        given = {"scale": f"{self._prefix}scale{scale.tobytes().hex()}"}
        given["zero_point"] = f"{self._prefix}zero{int(zero) + 128}"
        made = self._constants(given, Stored(FLOATS[width.name], scale), Stored("INT8", zero))
        small = type(kind).FromString(kind.SerializeToString())
        small.tensorType.dataType = MIL_pb2.DataType.Value("INT8")
        step = {"input": name, **given, "output_dtype": f"{self._prefix}type"}
        back = {"input": f"{tag}int", **given}
        return [
            *made,
            _operation("quantize", step, f"{tag}int", small),
            _operation("dequantize", back, self.ends[name], kind),
        ]

    def _constants(self, names: dict[str, str], *values: Stored) -> "list[Any]":
        new = [
            constant(name, value)
            for name, value in zip(names.values(), values, strict=True)
            if name not in self._known
        ]
        self._known |= set(names.values())
        return new


def _operation(step: str, given: dict[str, str], end: str, kind: Any) -> Any:
    from coremltools.proto import MIL_pb2

    made = MIL_pb2.Operation(type=step)
    for port, word in given.items():
        made.inputs[port].arguments.add().name = word
    made.attributes["name"].CopyFrom(text_constant(end, end).attributes["val"])
    made.outputs.add(name=end).type.CopyFrom(kind)
    return made
