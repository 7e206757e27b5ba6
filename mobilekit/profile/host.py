"""Latency of model files on this machine: single runs, interleaved file by file."""

import gc
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.core.errors import ArtifactError, MachineError
from mobilekit.core.reports import LatencyReport
from mobilekit.core.tensors import TensorSpec
from mobilekit.runtime.quiet import without_stderr
from mobilekit.runtime.tflite import check_identifier

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array

WARMUP = 10
RUNS = 50
SEED = 0
Call = Callable[[], object]
_FORMATS = {".tflite": "tflite", ".onnx": "onnx", ".mlpackage": "coreml"}


def why_not(path: Path) -> str | None:
    """Say why a file cannot be timed on this machine, or None where it can.

    Raises:
        ArtifactError: no model file.
    """
    if path.suffix == ".source":
        return "source is for reading and training on; phones do not run it"
    if path.suffix not in _FORMATS:
        raise ArtifactError(f"{path}: not a model file ({', '.join(_FORMATS)})")
    if path.suffix == ".mlpackage" and sys.platform != "darwin":
        return "Core ML runs on macOS and iOS only; the reference executor proves values, not speed"
    return None


def measure(
    paths: Sequence[Path],
    *,
    threads: int = 1,
    runs: int = RUNS,
    warmup: int = WARMUP,
    progress: Callable[[int], None] | None = None,
) -> tuple[LatencyReport, ...]:
    """Time each file on seeded noise, one run of each in turn so that disturbances hit all alike.

    LiteRT files run through `CompiledModel`, as LiteRT's own benchmark tool does, ONNX files
    through ONNX Runtime, Core ML packages (macOS only) through the framework.

    Args:
        paths: files that `why_not` has nothing against.
        threads: of each runtime.
        runs: timed runs per file.
        warmup: runs before them; the first one is reported by itself.
        progress: called with the number of rounds done.

    Raises:
        ArtifactError: a damaged file.
        MachineError: a file cannot be timed on this machine.
    """
    load = os.getloadavg()[0]
    for path in paths:
        reason = why_not(path)
        if reason:
            raise MachineError(f"{path}: {reason}")
    loaded = [_loaded(path, threads) for path in paths]
    firsts = [_timed(call) for call, _ in loaded]
    for call, _ in loaded:
        for _ in range(max(warmup - 1, 0)):
            call()
    samples: list[list[int]] = [[] for _ in paths]
    for index in range(runs):
        for row, (call, _) in zip(samples, loaded, strict=True):
            row.append(_timed(call))
        if progress is not None:
            progress(index + 1)
    loads = [load_ns for _, load_ns in loaded]
    with without_stderr():
        loaded.clear()  # LiteRT writes when it lets go of its accelerators
        del call
        gc.collect()
    return tuple(
        LatencyReport(
            path.name, _FORMATS[path.suffix], _RUNTIMES[path.suffix], device_name(), threads, warmup,
            tuple(row), load, load_ns, first,
        )
        for path, row, load_ns, first in zip(paths, samples, loads, firsts, strict=True)
    )  # fmt: skip


def device_name() -> str:
    """Describe this machine: processor, cores, system."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    return f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def noise_for(spec: TensorSpec) -> "Array":
    """Return seeded noise in the form of an input; zeros for integers that may be indices."""
    import numpy as np

    generator = np.random.default_rng(SEED)
    if spec.dtype.startswith("float"):
        return generator.uniform(-1, 1, spec.shape).astype(spec.dtype)
    if spec.dtype in {"int8", "uint8"} and len(spec.shape) == 4:
        return generator.integers(0, 127, spec.shape).astype(spec.dtype)
    return np.zeros(spec.shape, spec.dtype)


def _timed(call: Call) -> int:
    start = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - start


def _loaded(path: Path, threads: int) -> tuple[Call, int]:
    """Load a file, and return what runs it once, with the time that loading took."""
    start = time.perf_counter_ns()
    call = _LOADERS[path.suffix](path, threads)
    return call, time.perf_counter_ns() - start


def _tflite(path: Path, threads: int) -> Call:
    check_identifier(path)
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import CpuOptions, Options

    options = Options(
        hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(num_threads=threads)
    )
    try:
        with without_stderr():
            model = CompiledModel.from_file(str(path), options=options)
            key = next(iter(model.get_signature_list()))
            buffers_in = _filled(model, key)
            buffers_out = {
                name: model.create_output_buffer_by_name(key, name)
                for name in model.get_output_tensor_details(key)
            }
    except (RuntimeError, ValueError, StopIteration) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ArtifactError(f"{path}: cannot be run by LiteRT ({words})") from problem
    return lambda: model.run_by_name(key, buffers_in, buffers_out)


def _filled(model: Any, key: str) -> dict[str, Any]:
    buffers = {}
    for name, detail in model.get_input_tensor_details(key).items():
        buffer = model.create_input_buffer_by_name(key, name)
        shape = tuple(int(size) for size in detail.get("shape", (1,)))
        buffer.write(noise_for(TensorSpec(name, shape, str(detail.get("dtype", "float32")))))
        buffers[name] = buffer
    return buffers


def _onnx(path: Path, threads: int) -> Call:
    from mobilekit.runtime.onnx import OnnxRunner

    return _runner(OnnxRunner(path, threads))


def _coreml(path: Path, threads: int) -> Call:
    del threads  # the framework decides
    from mobilekit.runtime.coreml import CoremlRunner

    return _runner(CoremlRunner(path))


def _runner(runner: Any) -> Call:
    inputs = {spec.name: noise_for(spec) for spec in runner.inputs}
    return lambda: runner.run(inputs)


_LOADERS: dict[str, Callable[[Path, int], Call]] = {
    ".tflite": _tflite,
    ".onnx": _onnx,
    ".mlpackage": _coreml,
}
_RUNTIMES = {
    ".tflite": "LiteRT CompiledModel, CPU",
    ".onnx": "ONNX Runtime, CPU",
    ".mlpackage": "Core ML",
}
