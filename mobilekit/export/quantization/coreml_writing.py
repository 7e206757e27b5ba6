"""Constant expressions in the place of a constant: protobuf of a chain of links."""

from typing import Any

import numpy as np

from mobilekit.export.quantization.coreml_encoding import Encoded, Input, Link, Stored
from mobilekit.export.quantization.coreml_package import Blobs
from mobilekit.export.quantization.coreml_weights import Weight


def replaced(weight: Weight, encoded: Encoded, blobs: Blobs, tag: str) -> list[Any]:
    """Return the operators that stand for a constant of floats; they end in its name.

    Args:
        weight: the constant.
        encoded: what it becomes.
        blobs: where its tensors are written.
        tag: beginning of the names of what lies between two links; short, as names are most of what an
            operator takes in the file.
    """
    return [_operation(weight, link, blobs, tag) for link in encoded.links]


def constant(name: str, given: Stored) -> Any:
    """Return a constant that lies in the specification itself."""
    return _constant(name, _immediate(given))


def text_constant(name: str, words: str) -> Any:
    """Return a constant string."""
    return _constant(name, _text(words))


def _constant(name: str, value: Any) -> Any:
    from coremltools.proto import MIL_pb2

    made = MIL_pb2.Operation(type="const")
    made.attributes["name"].CopyFrom(_text(name))
    made.attributes["val"].CopyFrom(value)
    made.outputs.add(name=name).type.CopyFrom(value.type)
    return made


def _operation(weight: Weight, link: Link, blobs: Blobs, tag: str) -> Any:
    from coremltools.converters.mil.backend.mil.helper import create_valuetype_tensor
    from coremltools.proto import MIL_pb2

    name, modern = weight.constant.name, weight.constant.modern
    made = MIL_pb2.Operation(type=link.kind)
    ends = [(f"{tag}{end}", kind_, shape) for end, kind_, shape in link.outputs]
    made.attributes["name"].CopyFrom(_text(ends[0][0] if ends else name))
    for port, given in link.inputs.items():
        if isinstance(given, str) and not given.startswith("="):
            made.inputs[port].arguments.add().name = f"{tag}{given}"
        elif modern:
            made.inputs[port].arguments.add().value.CopyFrom(_value(given, blobs))
        else:
            made.attributes[port].CopyFrom(_value(given, blobs))
    for end, kind_, shape in ends:
        output = made.outputs.add(name=end)
        output.type.CopyFrom(create_valuetype_tensor(shape, MIL_pb2.DataType.Value(kind_)))
    if not ends:
        made.outputs.add(name=name).type.CopyFrom(weight.operation.outputs[0].type)
    return made


def _value(given: Input, blobs: Blobs) -> Any:
    from coremltools.converters.mil.backend.mil.helper import create_scalar_value

    if isinstance(given, Stored):
        return _immediate(given) if given.inline else blobs.write(given.kind, given.values)
    return _text(given[1:]) if isinstance(given, str) else create_scalar_value(np.int32(given))


def _immediate(given: Stored) -> Any:
    from coremltools.converters.mil.backend.mil.helper import (
        create_scalar_value,
        create_tensor_value,
    )

    scalar = given.values.ndim == 0
    return (create_scalar_value if scalar else create_tensor_value)(given.values[()])


def _text(words: str) -> Any:
    from coremltools.converters.mil.backend.mil.helper import create_scalar_value

    return create_scalar_value(words)
