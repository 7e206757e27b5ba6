"""An `.mlpackage` as its specification and its blobs: read, changed, and written somewhere else.

Nothing is converted anew: operators, names, types and metadata that are not meant stay as they are.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilekit.core.errors import ArtifactError, ExportError
from mobilekit.runtime.coreml_reference.loader import quiet_coremltools

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array

SYSTEMS = {6: "ios15", 7: "ios16", 8: "ios17", 9: "ios18"}
"""Version of the specification → oldest system that reads it."""
MODERN = 9
"""First version whose constant expressions have inputs, and integers of fewer than 8 bits."""
BLOB = 64
"""Bytes before a blob, and what its own bytes are filled up to."""
_FOLDER = "Data"
_MANIFEST = "Manifest.json"
_WEIGHTS = "@model_path/weights/weight.bin"
_ACCESS = {
    "FLOAT16": "fp16", "FLOAT32": "float", "INT8": "int8", "UINT8": "uint8", "INT16": "int16",
    "UINT16": "uint16", "INT32": "int32", "UINT32": "uint32", "INT4": "int4", "UINT1": "uint1",
    "UINT2": "uint2", "UINT3": "uint3", "UINT4": "uint4", "UINT6": "uint6",
}  # fmt: skip
"""MIL type → what the readers and writers of blobs call it."""


@dataclass(frozen=True)
class Package:
    """A package on disk with its specification (protobuf)."""

    path: Path
    spec: Any
    specification: Path
    """Where it lies, within the package."""
    weights: Path
    """Blobs, within the package."""

    @property
    def system(self) -> str:
        """Oldest system that reads it."""
        return SYSTEMS[min(max(self.spec.specificationVersion, 6), 9)]

    @property
    def modern(self) -> bool:
        """Whether constant expressions are those of iOS 18."""
        return bool(self.spec.specificationVersion >= MODERN)


def opened(path: Path) -> Package:
    """Read a package of floats.

    Raises:
        ArtifactError: missing, damaged, or no ML program.
        ExportError: it is quantized already.
    """
    quiet_coremltools()
    from coremltools.proto import Model_pb2
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        manifest = json.loads((path / _MANIFEST).read_text())
        items = manifest["itemInfoEntries"]
        root = items[manifest["rootModelIdentifier"]]["path"]
        others = [item["path"] for item in items.values() if item["path"] != root]
        spec = Model_pb2.Model()
        spec.ParseFromString((path / _FOLDER / root).read_bytes())
    except (OSError, ValueError, KeyError, TypeError, DecodeError) as problem:
        raise ArtifactError(
            f"{path}: cannot be read as an .mlpackage ({type(problem).__name__})"
        ) from problem
    if spec.WhichOneof("Type") != "mlProgram":
        raise ArtifactError(f"{path}: holds no ML program; export it for ios15 or later")
    weights = Path(_FOLDER, others[0] if others else "com.apple.CoreML/weights", "weight.bin")
    package = Package(path, spec, Path(_FOLDER, root), weights)
    for block in blocks(spec):
        for operation in block.operations:
            if operation.type.startswith("constexpr_") or operation.type == "quantize":
                raise ExportError(
                    f"{path.name}: is quantized already ({operation.type}"
                    f" {operation.outputs[0].name}); quantize the file of floats"
                )
    return package


def blocks(spec: Any) -> Iterator[Any]:
    """Give each block of operators, nested ones too."""

    def within(block: Any) -> Iterator[Any]:
        yield block
        for operation in block.operations:
            for nested in operation.blocks:
                yield from within(nested)

    for function in spec.mlProgram.functions.values():
        for block in function.block_specializations.values():
            yield from within(block)


def inputs_of(spec: Any) -> dict[str, Any]:
    """Return the type (protobuf) of each input of the functions."""
    functions = spec.mlProgram.functions.values()
    return {given.name: given.type for function in functions for given in function.inputs}


def free_prefix(spec: Any) -> str:
    """Return a short beginning that no name in the programs has."""
    names = {
        output.name
        for block in blocks(spec)
        for operation in block.operations
        for output in operation.outputs
    } | set(inputs_of(spec))
    prefix = "q"
    while any(name.startswith(prefix) for name in names):
        prefix += "q"
    return prefix


class Blobs:
    """Reads the blobs of one package and writes those of another."""

    def __init__(self, package: Package, out: Path) -> None:
        from coremltools.libmilstoragepython import _BlobStorageReader, _BlobStorageWriter

        source, target = package.path / package.weights, out / package.weights
        target.parent.mkdir(parents=True, exist_ok=True)
        self._reader = _BlobStorageReader(str(source)) if source.is_file() else None
        self._writer = _BlobStorageWriter(str(target))
        self._moved: dict[int, int] = {}

    def read(self, value: Any) -> "Array":
        """Return the tensor of a value that lies in a blob, in the value's own shape and type."""
        kind, shape = type_of(value.type), shape_of(value.type)
        flat = self._raw(kind, value.blobFileValue.offset)
        return (flat.view(np.float16) if kind == "FLOAT16" else flat).reshape(shape)

    def write(self, kind: str, array: "Array") -> Any:
        """Store a tensor; returns the value (protobuf) that stands for it.

        Args:
            kind: MIL type, such as UINT4; integers of fewer than 8 bits come one per element.
            array: the tensor.
        """
        from coremltools.converters.mil.backend.mil.helper import create_file_value_tensor
        from coremltools.proto import MIL_pb2

        flat = np.ascontiguousarray(array.reshape(-1))
        flat = flat.view(np.uint16) if kind == "FLOAT16" else flat
        offset = getattr(self._writer, f"write_{_ACCESS[kind]}_data")(flat)
        return create_file_value_tensor(_WEIGHTS, offset, array.shape, MIL_pb2.DataType.Value(kind))

    def move(self, value: Any) -> None:
        """Copy the blob of a value from one file to the other."""
        offset = value.blobFileValue.offset
        if offset not in self._moved:
            kind = type_of(value.type)
            write = getattr(self._writer, f"write_{_ACCESS[kind]}_data")
            self._moved[offset] = write(self._raw(kind, offset))
        value.blobFileValue.offset = self._moved[offset]

    def _raw(self, kind: str, offset: int) -> "Array":
        found: Array = getattr(self._reader, f"read_{_ACCESS[kind]}_data")(offset)
        return found


def type_of(kind: Any) -> str:
    """Return the MIL name of a tensor type's elements, such as FLOAT16."""
    from coremltools.proto import MIL_pb2

    return str(MIL_pb2.DataType.Name(kind.tensorType.dataType))


def shape_of(kind: Any) -> tuple[int, ...]:
    """Return the shape of a tensor type."""
    return tuple(int(size.constant.size) for size in kind.tensorType.dimensions)


def begun(package: Package, out: Path) -> None:
    """Lay down what a copy of a package has beside its specification and its blobs."""
    if out.exists():
        shutil.rmtree(out)
    (out / package.specification).parent.mkdir(parents=True)
    shutil.copyfile(package.path / _MANIFEST, out / _MANIFEST)


def ended(package: Package, out: Path) -> None:
    """Write the specification of a copy."""
    (out / package.specification).write_bytes(package.spec.SerializeToString(deterministic=True))
