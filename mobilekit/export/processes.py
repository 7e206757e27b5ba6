"""The parent's side of a worker: start it at once, hand it jobs, and say why it died."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import msgspec

from mobilekit.core import errors
from mobilekit.core.errors import ExportError
from mobilekit.core.targets import Target
from mobilekit.export.converted import Converted
from mobilekit.export.quantization.job import Job
from mobilekit.export.quantization.made import Quantized
from mobilekit.export.worker import ANSWERS, PARENT

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays

_QUIET = {
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "LITERT_TORCH_SHOW_PROGRESS": "n",
    "TQDM_DISABLE": "1",
    # glibc gives every large tensor back to the system, and the pages must be zeroed again: keep them
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
}


class Worker:
    """A converter in a process of its own; use it as a context manager.

    The process starts with the object and imports while the caller does something else. It has
    one thread per library, and is killed at the end of the block.
    """

    def __init__(self, kind: str, *, debug: bool = False) -> None:
        self.kind = kind
        self.peak_bytes = 0
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__
        read, write = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mobilekit.export.worker", kind],
            stdin=subprocess.PIPE,
            stdout=sys.stderr if debug else self._log,
            stderr=sys.stderr if debug else self._log,
            env={**_QUIET, **os.environ, ANSWERS: str(write), PARENT: str(os.getpid())},
            pass_fds=(write,),
        )
        os.close(write)
        self._answers = os.fdopen(read, "r")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None  # noqa: S101  asked for above
        for stream in (self._answers, self._log):
            stream.close()
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            return

    def stop(self) -> None:
        """Kill the process, from any thread; who waits for its answer gets an ExportError."""
        self._process.kill()

    def convert(
        self,
        program: Path,
        target: Target,
        out: Path,
        *,
        metadata: dict[str, str],
        labels: tuple[str, ...],
        normalized: bool,
    ) -> Converted:
        """Convert a saved program to a file.

        Raises:
            ExportError: the format cannot hold the network, or the converter crashed.
        """
        job = {
            "do": "convert",
            "program": str(program),
            "target": msgspec.to_builtins(target),
            "out": str(out),
            "metadata": metadata,
            "labels": list(labels),
            "normalized": normalized,
        }
        return msgspec.convert(self._ask(job), Converted)

    def quantize(self, job: Job) -> Quantized:
        """Make a smaller file of a saved one, which is left alone.

        Raises:
            ExportError: it cannot be quantized so.
        """
        return msgspec.convert(self._ask(msgspec.to_builtins(job)), Quantized)

    def run(
        self, file: Path, inputs: "list[Arrays]", *, runtime: str, threads: int = 1
    ) -> "list[Arrays]":
        """Run a saved file on each set of inputs, in the file's own layout and types."""
        from safetensors.numpy import load_file, save_file

        with tempfile.TemporaryDirectory(prefix="mobilekit-") as scratch:
            names = []
            for index, arrays in enumerate(inputs):
                names.append(str(Path(scratch) / f"{index}.safetensors"))
                save_file(arrays, names[-1])
            job = {
                "do": "run",
                "file": str(file),
                "runtime": runtime,
                "threads": threads,
                "inputs": names,
            }
            return [load_file(path) for path in self._ask(job)]

    def _ask(self, job: dict[str, Any]) -> Any:
        assert self._process.stdin is not None  # noqa: S101  asked for above
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
            line = self._answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ExportError(f"{self.kind}: {self._death()}")
        answer = json.loads(line)
        if "error" in answer:
            kind = getattr(errors, answer["error"], ExportError)
            raise kind(answer["message"])
        self.peak_bytes = max(self.peak_bytes, answer["peak_kib"] * 1024)
        return answer["result"]

    def _death(self) -> str:
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        hint = " (out of memory?)" if code == -9 else ""
        last = ""
        if not self._log.closed:
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").strip().splitlines()
            last = f": {lines[-1].strip()[:200]}" if lines else ""
        return f"the converter's process {how}{hint}{last}"


class Crew:
    """The workers that threads of one export have hired, which another thread can stop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hired: list[Worker] = []
        self._stopped = False

    def hire(self, kind: str, *, debug: bool = False) -> Worker:
        """Start a worker.

        Raises:
            ExportError: the crew was stopped.
        """
        with self._lock:
            self.check()
            worker = Worker(kind, debug=debug)
            self._hired.append(worker)
            return worker

    def check(self) -> None:
        """Go on only if the crew was not stopped.

        Raises:
            ExportError: it was.
        """
        if self._stopped:
            raise ExportError("the export was stopped")

    def stop(self) -> None:
        """Kill the workers, and start no more."""
        with self._lock:
            self._stopped = True
            for worker in self._hired:
                worker.stop()
