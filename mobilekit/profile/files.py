"""What a model file is made of: operators, weights, ends."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from mobilekit.core import files
from mobilekit.core.errors import ArtifactError
from mobilekit.core.tensors import TensorSpec


class FileSummary(msgspec.Struct, frozen=True):
    """One model file."""

    path: str
    format: str
    version: str
    size_bytes: int
    operators: dict[str, int]
    """Operator type → occurrences."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: int
    """Elements of all stored constants with more than one element."""
    weight_bytes: dict[str, int]
    """Element type → bytes stored."""


def inspect_file(path: Path) -> FileSummary:
    """Read a `.tflite`, `.onnx` or `.mlpackage` file.

    Raises:
        ArtifactError: missing, truncated, or of another format.
    """
    if not path.exists():
        raise ArtifactError(f"{path}: no such file")
    readers = {".tflite": _tflite, ".onnx": _onnx, ".mlpackage": _mlpackage}
    if path.suffix not in readers:
        raise ArtifactError(f"{path}: not a model file ({', '.join(readers)})")
    return readers[path.suffix](path)


def _tflite(path: Path) -> FileSummary:
    from mobilekit.runtime.tflite import TfliteRunner

    runner = TfliteRunner(path, delegate=False)
    weights: Counter[str] = Counter()
    parameters = 0
    for dtype, elements, size in runner.constants():
        weights[dtype] += size
        parameters += elements if elements > 1 else 0
    return FileSummary(
        path=str(path),
        format="tflite",
        version="3",
        size_bytes=files.size_bytes(path),
        operators=_counted(operator.kind for operator in runner.operators()),
        inputs=runner.inputs,
        outputs=runner.outputs,
        parameters=parameters,
        weight_bytes=dict(weights),
    )


def _onnx(path: Path) -> FileSummary:
    import onnx
    from onnx import numpy_helper

    from mobilekit.runtime.onnx import OnnxRunner

    runner = OnnxRunner(path)
    model = onnx.load(str(path))
    weights: Counter[str] = Counter()
    parameters = 0
    for initializer in model.graph.initializer:
        array = numpy_helper.to_array(initializer)
        weights[str(array.dtype)] += array.nbytes
        parameters += array.size if array.size > 1 else 0
    opsets = ", ".join(
        f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import
    )
    return FileSummary(
        path=str(path),
        format="onnx",
        version=f"opset {opsets}",
        size_bytes=files.size_bytes(path),
        operators=_counted(node.op_type for node in model.graph.node),
        inputs=runner.inputs,
        outputs=runner.outputs,
        parameters=parameters,
        weight_bytes=dict(weights),
    )


def _mlpackage(path: Path) -> FileSummary:
    from mobilekit.runtime.coreml_reference.contents import constants, operator_kinds
    from mobilekit.runtime.coreml_reference.description import described
    from mobilekit.runtime.coreml_reference.loader import load_package

    package = load_package(path)
    inputs, outputs = described(package.spec)
    weights: Counter[str] = Counter()
    parameters = 0
    for dtype, elements, size in constants(package):
        weights[dtype] += size
        parameters += elements if elements > 1 else 0
    return FileSummary(
        path=str(path),
        format="coreml",
        version=f"specification {package.spec.specificationVersion}",
        size_bytes=files.size_bytes(path),
        operators=_counted(operator_kinds(package)),
        inputs=inputs,
        outputs=outputs,
        parameters=parameters,
        weight_bytes=dict(weights),
    )


def _counted(kinds: Any) -> dict[str, int]:
    return dict(Counter(kinds).most_common())
