"""The process that TensorFlow lives in: opens one file, then runs it on what it is sent."""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from mobilekit.core.errors import ArtifactError, MobilekitError, RuntimeUnavailableError
from mobilekit.runtime.frames import read_frame, write_frame
from mobilekit.runtime.tflite import signature_of, spec_of


def main() -> None:
    """Answer on the descriptor that stdout was; what libraries print goes to stderr."""
    path, threads = Path(sys.argv[1]), int(sys.argv[2])
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            interpreter = opened(path, threads)
        except MobilekitError as problem:
            message = {"error": type(problem).__name__, "message": str(problem)}
            write_frame(answers, b"bad", json.dumps(message).encode())
            return
        serve(interpreter, answers)


def opened(path: Path, threads: int) -> Any:
    """Return TensorFlow's interpreter of a file.

    Raises:
        RuntimeUnavailableError: TensorFlow cannot be imported.
        ArtifactError: it cannot run the file.
    """
    import warnings

    warnings.simplefilter("ignore")
    try:
        import tensorflow as tf
    except ImportError as problem:
        raise RuntimeUnavailableError(f"runtime tensorflow: {problem}") from problem
    try:
        interpreter = tf.lite.Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ArtifactError(f"{path}: cannot be run by TensorFlow ({words})") from problem
    return interpreter


def serve(interpreter: Any, answers: Any) -> None:
    """Say what the file takes and gives, then run it until the other side ends."""
    from safetensors.numpy import load, save

    _, names_in, names_out = signature_of(interpreter)
    sides = (("inputs", names_in), ("outputs", names_out))
    ends = {
        side: [spec_of(name, detail) for name, detail in names.items()] for side, names in sides
    }
    write_frame(answers, b"good", msgspec.json.encode(ends))
    with contextlib.suppress(BrokenPipeError):
        while True:
            kind, content = read_frame(sys.stdin.buffer)
            if kind != b"run":
                return
            for name, array in load(content).items():
                interpreter.set_tensor(names_in[name]["index"], array)
            interpreter.invoke()
            found = {n: interpreter.get_tensor(d["index"]) for n, d in names_out.items()}
            write_frame(answers, b"good", save(found))


if __name__ == "__main__":
    main()
