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
from mobilekit.runtime.program import Program

MOST_BATCH = 1024


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
    with captured("torch.onnx", "onnxscript", "onnx_ir") as lines:
        found: Any = None
        if target.dynamic_batch:
            found = _dynamic(rewritten)
            if found is None:
                notes = (*notes, "the batch size is fixed: the network's graph depends on it")
        if found is None:
            try:
                found = _exported(rewritten, rewritten.exported, None)
            except Exception as problem:
                raise ExportError(f"onnx: {operator_at(program, problem)}") from problem
    model = found.model_proto
    for key, value in {**metadata, "labels": "\n".join(labels)}.items():
        if value:
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
    files.write_bytes(out, model.SerializeToString())
    return Converted(
        program.inputs, program.outputs, (*notes, *telling(lines)), time.monotonic() - started
    )


def _dynamic(program: Program) -> Any:
    """Export with a symbolic batch; None where the graph does not allow it.

    The shape of the outputs is checked too: a batch baked into a reshape would go unseen.
    """
    if any(not spec.shape or spec.shape[0] != 1 for spec in program.inputs):
        return None
    examples = tuple(
        torch.zeros((2, *spec.shape[1:]), dtype=getattr(torch, spec.dtype))
        for spec in program.inputs
    )
    batch = torch.export.Dim("batch", min=1, max=MOST_BATCH)
    shapes = tuple({0: batch} for _ in program.inputs)
    try:
        exported = torch.export.export(program.module, examples, dynamic_shapes=(shapes,) if _variadic(program) else shapes, strict=False)
        return _exported(program, exported, shapes)
    except Exception:  # noqa: BLE001  any refusal means the same: the batch is not free
        return None


def _variadic(program: Program) -> bool:
    import inspect

    kinds = [p.kind for p in inspect.signature(program.module.forward).parameters.values()]
    return inspect.Parameter.VAR_POSITIONAL in kinds


def _exported(program: Program, exported: Any, shapes: Any) -> Any:
    del shapes
    with contextlib.redirect_stdout(io.StringIO()):
        return torch.onnx.export(
            exported,
            (),
            dynamo=True,
            input_names=[spec.name for spec in program.inputs],
            output_names=[spec.name for spec in program.outputs],
            external_data=False,
            verbose=False,
        )
