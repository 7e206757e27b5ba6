"""One process, one converter: imports at once, then converts and runs files as it is told.

Jobs come as JSON lines on stdin, answers go as JSON lines to the descriptor named in the
environment; what libraries print goes nowhere near either. The process ends with its parent.
"""

import functools
import gc
import importlib
import json
import operator
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec

from mobilekit.core import files
from mobilekit.core.errors import TOO_LITTLE_MEMORY, MobilekitError, is_allocation_failure
from mobilekit.core.targets import FORMATS, Target
from mobilekit.runtime.quiet import absent

ANSWERS = "MOBILEKIT_ANSWERS"
PARENT = "MOBILEKIT_PARENT"
UNNEEDED = {
    "coreml": (
        "executorch",
        "libsvm",
        "sklearn",
        "torchaudio",
        "torchvision",
        "transformers",
        "xgboost",
    ),
}
"""Packages that a converter imports where it finds them, and ML programs do not need."""
GARBAGE = 200_000
"""Objects made between two collections of the youngest generation (Python's default: 700)."""
_PARENT_DEATH = 1  # PR_SET_PDEATHSIG, Linux prctl(2)


def main() -> None:
    """Serve the jobs of one parent."""
    kind = sys.argv[1]
    _die_with_parent()
    with os.fdopen(int(os.environ[ANSWERS]), "w", buffering=1) as answers:
        converter = _loaded(kind)
        for line in sys.stdin:
            answers.write(json.dumps(_answer(converter, json.loads(line))) + "\n")


def _loaded(kind: str) -> Any:
    """Import a converter, fast: without what it does not need, and with few garbage collections.

    Graph conversion makes millions of objects that stay; collecting them over and over costs a
    tenth of the time.
    """
    gc.disable()
    with absent(UNNEEDED.get(kind, ())):
        converter = importlib.import_module(f"mobilekit.export.{kind}")
        converter.preload()
    gc.freeze()
    gc.set_threshold(GARBAGE, 50, 1000)
    gc.enable()
    return converter


def _answer(converter: Any, job: dict[str, Any]) -> dict[str, Any]:
    try:
        result = _JOBS[job["do"]](converter, job)
    except Exception as problem:  # noqa: BLE001  the parent raises it again, with its words
        if is_allocation_failure(problem):
            return {"error": "MachineError", "message": f"{job['do']}: {TOO_LITTLE_MEMORY}"}
        if isinstance(problem, MobilekitError):
            return {"error": type(problem).__name__, "message": str(problem)}
        traceback.print_exc()
        words = " ".join(str(problem).split())[:300]
        return {"error": "ExportError", "message": f"{type(problem).__name__}: {words}"}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"result": result, "peak_kib": peak}


def _convert(converter: Any, job: dict[str, Any]) -> Any:
    from mobilekit.runtime import program as programs

    target: Target = msgspec.convert(job["target"], type=_kinds())
    out = Path(job["out"])
    with files.explained(out):
        converted = converter.convert(
            programs.load(Path(job["program"])),
            target,
            out,
            job["metadata"],
            tuple(job["labels"]),
            normalized=job["normalized"],
        )
    return msgspec.to_builtins(converted)


def _quantize(converter: Any, job: dict[str, Any]) -> Any:
    """Make a smaller file from a saved one."""
    del converter
    from mobilekit.export.quantization.job import Job

    wanted = msgspec.convert(job, Job)
    with files.explained(Path(wanted.out)):
        return msgspec.to_builtins(_workshop().carry_out(wanted))


@functools.cache
def _workshop() -> Any:
    from mobilekit.export.quantization.job import Workshop

    return Workshop()


def _run(converter: Any, job: dict[str, Any]) -> Any:
    """Run a saved file on each stored set of inputs; the outputs are stored beside them."""
    del converter
    import numpy as np
    from safetensors.numpy import load_file, save_file

    from mobilekit.runtime import open_model

    runner = open_model(Path(job["file"]), job["runtime"], job["threads"])
    written = []
    for name in job["inputs"]:
        outputs = runner.run(load_file(name))
        path = f"{name}.outputs"
        arrays = {
            key: np.asarray(value, order="C")  # a scalar stays one
            for key, value in outputs.items()
            if value.dtype.kind in "fiub"
        }
        save_file(arrays, path)
        written.append(path)
    return written


_JOBS = {"convert": _convert, "quantize": _quantize, "run": _run}


def _kinds() -> Any:
    return functools.reduce(operator.or_, FORMATS.values())


def _die_with_parent() -> None:
    """Ask the system to kill this process when its parent dies; elsewhere stdin's end does it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL)
        if os.getppid() != int(os.environ[PARENT]):  # it died before the line above
            sys.exit(1)


if __name__ == "__main__":
    main()
