"""Program → LiteRT flat buffer, by litert-torch; float16 weights by ai-edge-quantizer."""

import json
import logging
import os
import time
import warnings
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from mobilekit.core import files
from mobilekit.core.errors import ArtifactError, ExportError
from mobilekit.core.targets import TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.chatter import captured, telling
from mobilekit.export.converted import Converted
from mobilekit.export.preflight import operator_at, rewrite
from mobilekit.runtime.program import Program
from mobilekit.runtime.tflite import TfliteRunner

METADATA = "mobilekit"
NCHW_TO_NHWC = (0, 2, 3, 1)
NHWC_TO_NCHW = (0, 3, 1, 2)
_NO_OFFSET = 1
"""Up to this, a buffer's offset says that its data lie in the flat buffer (tflite/schema.fbs)."""
_FLOAT16_RECIPE = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {
                "num_bits": 16,
                "symmetric": True,
                "granularity": "TENSORWISE",
                "dtype": "FLOAT",
            },
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
            "skip_checks": False,
            "min_weight_elements": 0,
        },
    }
]


def preload() -> None:
    """Import what a conversion needs, without its chatter."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litert_torch  # noqa: F401


def convert(
    program: Program,
    target: TfliteTarget,
    out: Path,
    metadata: dict[str, str],
    labels: tuple[str, ...] = (),
    *,
    normalized: bool = False,  # noqa: ARG001  the graph holds it; the file needs no more
) -> Converted:
    """Convert `program` and save it as `out` (`.tflite`).

    Raises:
        ExportError: LiteRT lacks an operator; the line names it, its module and source line.
    """
    preload()
    import litert_torch

    started = time.monotonic()
    rewritten, notes = rewrite(program, target)
    channels_last = target.layout == "nhwc"
    module = Ends(rewritten, channels_last=channels_last).eval()
    inputs = tuple(_moved(spec, channels_last) for spec in program.inputs)
    examples = {
        spec.name: torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype)) for spec in inputs
    }
    with captured("litert_torch", "jax", "absl") as lines:
        try:
            model = litert_torch.convert(module, sample_kwargs=examples)
        except OSError:
            raise  # the disk, not the network
        except Exception as problem:
            raise ExportError(f"tflite: {operator_at(program, problem)}") from problem
        content = _content(model, out)
        if target.precision == "float16":
            content = _float16(content)
    outputs = tuple(_moved(spec, channels_last) for spec in program.outputs)
    files.write_bytes(out, content)
    inputs, outputs = _as_stored(out, inputs, outputs)
    described = {
        **metadata,
        "labels": list(labels),
        "inputs": [_words(s) for s in inputs],
        "outputs": [_words(s) for s in outputs],
    }
    files.write_bytes(out, with_metadata(content, described))
    return Converted(inputs, outputs, (*notes, *telling(lines)), time.monotonic() - started)


class Ends(nn.Module):
    """A program with keyword inputs and a dictionary of outputs, in the order of axes of cameras."""

    def __init__(self, program: Program, *, channels_last: bool) -> None:
        super().__init__()
        self.program = _without_detach(program.module)
        self._inputs, self._outputs = program.inputs, program.outputs
        self._channels_last = channels_last

    def train(self, mode: bool = True) -> "Ends":
        """A program is always in eval mode."""
        del mode
        self.training = False
        return self

    def forward(self, **arrays: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name."""
        values = [
            arrays[spec.name].permute(NHWC_TO_NCHW)
            if self._channels_last and spec.layout == "NCHW"
            else arrays[spec.name]
            for spec in self._inputs
        ]
        results = self.program(*values)
        return {
            spec.name: value.permute(NCHW_TO_NHWC)
            if self._channels_last and spec.layout == "NCHW"
            else value
            for spec, value in zip(self._outputs, results, strict=True)
        }


def _without_detach(module: Any) -> Any:
    """Take out the in-place detach behind a constant made in `forward`: the converter stops at it."""
    for node in list(module.graph.nodes):
        if str(node.target) == "aten.detach_.default":
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
    module.recompile()
    return module


def _as_stored(
    path: Path, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Give the specs the types that the file has (the converter narrows int64).

    Raises:
        ExportError: LiteRT's interpreter cannot run the file; it is removed.
    """
    try:
        runner = TfliteRunner(path)
    except ArtifactError as problem:
        path.unlink()
        raise ExportError(
            f"tflite: the file that the converter made is of no use: {problem}"
        ) from problem
    stored = {spec.name: spec.dtype for spec in (*runner.inputs, *runner.outputs)}
    found = [
        tuple(msgspec.structs.replace(spec, dtype=stored[spec.name]) for spec in side)
        for side in (inputs, outputs)
    ]
    return found[0], found[1]


def with_metadata(content: bytes, metadata: dict[str, Any]) -> bytes:
    """Return the flat buffer with a metadata buffer called `mobilekit`, as JSON.

    Weights that lie behind the flat buffer, where ai-edge-quantizer puts them from 256 KiB on, are
    taken into it: their offsets would not survive.
    """
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    for stored in model.buffers:
        if stored.offset > _NO_OFFSET:
            stored.data = np.frombuffer(content, np.uint8, stored.size, stored.offset)
            stored.offset = stored.size = 0
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(json.dumps(metadata).encode(), dtype=np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = METADATA
    entry.buffer = len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _content(model: Any, out: Path) -> bytes:
    scratch = out.with_suffix(".converting")
    model.export(str(scratch))
    content = scratch.read_bytes()
    scratch.unlink()
    return content


def _float16(content: bytes) -> bytes:
    from ai_edge_quantizer import quantizer

    quantize = quantizer.Quantizer(bytearray(content))
    quantize.load_quantization_recipe(_FLOAT16_RECIPE)
    return bytes(quantize.quantize(None, enable_progress_report=False).quantized_model)


def _moved(spec: TensorSpec, channels_last: bool) -> TensorSpec:
    return spec.in_layout("NHWC") if channels_last and spec.layout == "NCHW" else spec


def _words(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "shape": list(spec.shape), "layout": spec.layout}
