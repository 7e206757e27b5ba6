"""LiteRT's C interface, as far as a profile needs it, by ctypes on the library in the plain wheel.

The names of options and the numbers of enumerations are not documented; they were read off
version 2.x of the library, and anything else is refused.
"""

import ctypes
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from mobilekit.core.errors import ArtifactError, RuntimeUnavailableError

KNOWN_VERSIONS = ("2.",)
OPERATOR, DELEGATED = 2, 8
"""Kinds of events: an operator that LiteRT's own kernel ran, a kernel inside a delegate."""
INVOKE, DEFAULT = "Invoke", 1
"""Tag and kind of the event that begins a run."""
_CPU = 1
_OK = 0
_FREE_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Memory(ctypes.Structure):
    """`LiteRtMemoryUsage` of litert/c/litert_profiler_event.h."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in ("total", "in_use", "private"))


class _Event(ctypes.Structure):
    """`ProfiledEventData` of litert/c/litert_profiler_event.h."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("before", _Memory),
        ("after", _Memory),
        ("index", ctypes.c_uint64),
        ("subgraph", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


class Event(msgspec.Struct, frozen=True):
    """One thing that LiteRT timed, in whole microseconds."""

    tag: str
    kind: int
    """`OPERATOR`, `DELEGATED`, or something else."""
    elapsed_us: int
    index: int
    """Of the operator in the file, or of the kernel in the delegate."""


def profile_events(path: Path, *, threads: int, runs: int, warmup: int) -> tuple[Event, ...]:
    """Run a file with the profiler on, and return all that LiteRT timed, run after run.

    Raises:
        RuntimeUnavailableError: the library is missing or of another version.
        ArtifactError: it cannot run the file.
    """
    library = _library()
    content = path.read_bytes()
    buffer = ctypes.create_string_buffer(content, len(content))
    environment, model = ctypes.c_void_p(), ctypes.c_void_p()
    _check(path, "environment", library.LiteRtCreateEnvironment(0, None, ctypes.byref(environment)))
    _check(
        path,
        "model",
        library.LiteRtCreateModelFromBuffer(
            environment, buffer, ctypes.c_size_t(len(content)), ctypes.byref(model)
        ),
    )
    options, kept = _options(path, library, threads)
    compiled = ctypes.c_void_p()
    _check(
        path,
        "compilation",
        library.LiteRtCreateCompiledModel(environment, model, options, ctypes.byref(compiled)),
    )
    inputs, outputs = _buffers(path, library, (environment, model, compiled))
    profiler = ctypes.c_void_p()
    _check(
        path, "profiler", library.LiteRtCompiledModelGetProfiler(compiled, ctypes.byref(profiler))
    )
    call = (
        compiled, ctypes.c_size_t(0), ctypes.c_size_t(len(inputs)), inputs,
        ctypes.c_size_t(len(outputs)), outputs,
    )  # fmt: skip
    for _ in range(warmup):
        _check(path, "run", library.LiteRtRunCompiledModel(*call))
    library.LiteRtResetProfiler(profiler)
    library.LiteRtStartProfiler(profiler)
    for _ in range(runs):
        _check(path, "run", library.LiteRtRunCompiledModel(*call))
    library.LiteRtStopProfiler(profiler)
    count = ctypes.c_int()
    _check(path, "events", library.LiteRtGetNumProfilerEvents(profiler, ctypes.byref(count)))
    found = (_Event * max(count.value, 1))()
    _check(path, "events", library.LiteRtGetProfilerEvents(profiler, len(found), found))
    del kept
    return tuple(
        Event((one.tag or b"").decode(errors="replace"), one.kind, one.elapsed_us, one.index)
        for one in found[: count.value]
    )


def _library() -> Any:
    try:
        found = version("ai-edge-litert")
    except PackageNotFoundError:
        raise RuntimeUnavailableError("operator profile: ai-edge-litert is not installed") from None
    if not found.startswith(KNOWN_VERSIONS):
        raise RuntimeUnavailableError(
            f"operator profile: ai-edge-litert {found} is not known (known: {', '.join(KNOWN_VERSIONS)}x)"
        )
    package = importlib.util.find_spec("ai_edge_litert")
    for place in (package.submodule_search_locations or []) if package else []:
        for path in sorted(Path(place).glob("libLiteRt.*")):
            library = ctypes.CDLL(str(path))
            if hasattr(library, "LiteRtGetProfilerEvents"):
                return library
    raise RuntimeUnavailableError("operator profile: this build of ai-edge-litert has no profiler")


def _options(path: Path, library: Any, threads: int) -> tuple[ctypes.c_void_p, list[Any]]:
    """Return compilation options with the profiler on, and what must stay alive with them."""
    options = ctypes.c_void_p()
    _check(path, "options", library.LiteRtCreateOptions(ctypes.byref(options)))
    library.LiteRtSetOptionsHardwareAccelerators(options, ctypes.c_int(_CPU))
    kept: list[Any] = []
    texts = {
        b"runtime_options_string": b"enable_profiling = true\n",
        b"xnnpack": f"num_threads = {threads}\n".encode(),
    }
    libc = ctypes.CDLL(None)
    libc.strdup.restype = ctypes.c_void_p
    for name, text in texts.items():
        opaque = ctypes.c_void_p()
        payload = ctypes.c_void_p(libc.strdup(text))
        free = _FREE_TYPE(lambda pointer: libc.free(ctypes.c_void_p(pointer)))
        kept += [free, name]
        _check(
            path,
            "options",
            library.LiteRtCreateOpaqueOptions(name, payload, free, ctypes.byref(opaque)),
        )
        _check(path, "options", library.LiteRtAddOpaqueOptions(options, opaque))
    return options, kept


def _buffers(path: Path, library: Any, handles: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    """Create the buffers of the first signature."""
    environment, model, compiled = handles
    signature = ctypes.c_void_p()
    _check(
        path,
        "signature",
        library.LiteRtGetModelSignature(model, ctypes.c_size_t(0), ctypes.byref(signature)),
    )
    made = []
    for side in ("Input", "Output"):
        count = ctypes.c_size_t()
        getattr(library, f"LiteRtGetNumSignature{side}s")(signature, ctypes.byref(count))
        buffers = (ctypes.c_void_p * count.value)()
        for index in range(count.value):
            tensor, wanted = ctypes.c_void_p(), ctypes.c_void_p()
            position = ctypes.c_size_t(index)
            getattr(library, f"LiteRtGetSignature{side}TensorByIndex")(
                signature, position, ctypes.byref(tensor)
            )
            kind = (ctypes.c_uint8 * 512)()
            _check(path, "tensor", library.LiteRtGetRankedTensorType(tensor, ctypes.byref(kind)))
            getattr(library, f"LiteRtGetCompiledModel{side}BufferRequirements")(
                compiled, ctypes.c_size_t(0), position, ctypes.byref(wanted)
            )
            buffer = ctypes.c_void_p()
            status = library.LiteRtCreateManagedTensorBufferFromRequirements(
                environment, ctypes.byref(kind), wanted, ctypes.byref(buffer)
            )
            _check(path, "buffer", status)
            buffers[index] = buffer.value
        made.append(buffers)
    return made[0], made[1]


def _check(path: Path, what: str, status: int) -> None:
    if status != _OK:
        raise ArtifactError(f"{path}: LiteRT's {what} failed with status {status}")


def main() -> None:
    """Print the events of one file as JSON: the process of its own that `delegation` starts."""
    import sys

    path, threads, runs, warmup = sys.argv[1:5]
    events = profile_events(Path(path), threads=int(threads), runs=int(runs), warmup=int(warmup))
    sys.stdout.write(msgspec.json.encode(events).decode())


if __name__ == "__main__":
    main()
