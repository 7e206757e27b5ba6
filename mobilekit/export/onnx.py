"""Program → ONNX, by the dynamo exporter."""

import contextlib
import io
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from mobilekit.core import files
from mobilekit.core.errors import ExportError
from mobilekit.core.targets import OnnxTarget
from mobilekit.export.chatter import captured, telling
from mobilekit.export.converted import Converted
from mobilekit.export.preflight import operator_at, rewrite
from mobilekit.runtime.program import Program, has_free_batch


def preload() -> None:
    """Import what a conversion needs, without its chatter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx
        import onnxscript  # noqa: F401

        del onnx


def convert(
    program: Program,
    target: OnnxTarget,
    out: Path,
    metadata: dict[str, str],
    labels: tuple[str, ...] = (),
    *,
    normalized: bool = False,  # noqa: ARG001  the graph holds it; the file needs no more
) -> Converted:
    """Convert `program` and save it as `out` (`.onnx`), with any batch size where that is possible.

    Raises:
        ExportError: ONNX lacks an operator; the line names it, its module and source line.
    """
    preload()
    started = time.monotonic()
    rewritten, notes = rewrite(program, target)
    if target.dynamic_batch and not has_free_batch(program):
        notes = (*notes, "the batch size is fixed: the network's graph depends on it")
    with captured("torch.onnx", "onnxscript", "onnx_ir") as lines:
        try:
            found = _exported(rewritten)
        except OSError:
            raise  # the disk, not the network
        except Exception as problem:
            raise ExportError(f"onnx: {operator_at(program, problem)}") from problem
    model = found.model_proto
    for node in (*model.graph.node, *(node for one in model.functions for node in one.node)):
        del node.metadata_props[:]  # stack traces, with the paths of this machine
    for key, value in {**metadata, "labels": "\n".join(labels)}.items():
        if value:
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
    files.write_bytes(out, model.SerializeToString())
    return Converted(
        program.inputs, program.outputs, (*notes, *telling(lines)), time.monotonic() - started
    )


def _exported(program: Program) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return torch.onnx.export(
            program.exported,
            (),
            dynamo=True,
            input_names=[spec.name for spec in program.inputs],
            output_names=[spec.name for spec in program.outputs],
            external_data=False,
            verbose=False,
        )
