"""What LiteRT's `benchmark_model` writes: its result and its operators, decoded from protobuf.

The field numbers are those of `benchmark_result.proto` and `profiling_info.proto` (TensorFlow Authors, 2025).
"""

import struct
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from mobilekit.core.device_figures import Operator
from mobilekit.core.errors import ArtifactError

Field: TypeAlias = tuple[int, int | float | bytes]
LATENCY = {
    1: "avg_ms", 2: "min_ms", 3: "max_ms", 4: "stddev_ms", 5: "median_ms", 6: "p5_ms", 7: "p95_ms", 8: "init_ms",
    9: "first_inference_ms", 10: "average_warm_up_ms",
}  # fmt: skip
MEMORY = {1: "init_footprint_kb", 2: "overall_footprint_kb", 3: "peak_mem_mb"}
MISC = {2: "num_runs", 3: "num_warmup_runs"}
_PARTS = {2: LATENCY, 3: MEMORY, 4: MISC}


class BenchmarkResult(msgspec.Struct, frozen=True):
    """The tool's own statistics; it keeps no single runs."""

    avg_ms: float
    min_ms: float
    max_ms: float
    median_ms: float
    p95_ms: float
    stddev_ms: float
    num_runs: int
    init_ms: float = 0.0
    first_inference_ms: float = 0.0
    average_warm_up_ms: float = 0.0
    num_warmup_runs: int = 0
    peak_mem_mb: float = 0.0


def read_result(content: bytes, where: str) -> BenchmarkResult:
    """Decode the file of `--result_file_path`.

    Raises:
        ArtifactError: it is damaged, or lacks a figure.
    """
    found: dict[str, int | float] = {}
    try:
        for number, part in fields(content):
            names = _PARTS.get(number, {})
            if isinstance(part, bytes):
                found |= {
                    names[inner]: value
                    for inner, value in fields(part if names else b"")
                    if inner in names and not isinstance(value, bytes)
                }
        return msgspec.convert(found, BenchmarkResult)
    except (ValueError, msgspec.ValidationError) as problem:
        raise ArtifactError(f"{where}: is no result of benchmark_model ({problem})") from problem


def fields(content: bytes) -> Iterator[Field]:
    """Give the fields of a message: number, and value as its wire type says.

    >>> list(fields(bytes([0x08, 0x96, 0x01, 0x12, 0x01, 0x61])))
    [(1, 150), (2, b'a')]

    Raises:
        ValueError: it ends early, or has a type that is not used any more.
    """
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(content, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(content, at)
        elif wire in _FIXED:
            size = struct.calcsize(_FIXED[wire])
        else:
            raise ValueError(f"wire type {wire}")
        part = content[at : at + size]
        if len(part) < size:
            raise ValueError("it ends early")
        at += size
        yield number, part if wire == 2 else struct.unpack(_FIXED[wire], part)[0]


_FIXED = {1: "<d", 5: "<f"}


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise ValueError("it ends early")


def read_operators(content: bytes, where: str) -> tuple[Operator, ...]:
    """Decode the file of `--op_profiling_output_file`, with what delegates say of their own operators.

    Raises:
        ArtifactError: it is damaged.
    """
    try:
        listed = list(_operators(content))
        return tuple(
            Operator(
                index=index,
                name=_text(message, 5),
                type=_text(message, 1) or "unknown",
                device=unit,
                mean_ns=_mean_ns(message),
            )
            for index, (message, unit) in enumerate(listed)
        )
    except ValueError as problem:
        raise ArtifactError(
            f"{where}: is no operator profile of benchmark_model ({problem})"
        ) from problem


def _operators(content: bytes) -> Iterator[tuple[bytes, Literal["cpu", "gpu"]]]:
    """Give each operator's message (`OpProfileData`), and where it ran.

    A delegate stands in the graph as one operator; where it lists its own, that one is left out.
    """
    for run in _messages(content, 3):  # BenchmarkProfilingData.runtime_profile
        delegates = _messages(run, 2)
        names = {_text(one, 1) for one in delegates}
        for graph in _messages(run, 1):
            yield from ((one, "cpu") for one in _messages(graph, 3) if _text(one, 1) not in names)
        for delegate in delegates:
            unit: Literal["cpu", "gpu"] = "gpu" if "gpu" in _text(delegate, 1).lower() else "cpu"
            yield from ((one, unit) for one in _messages(delegate, 2))


def _messages(content: bytes, number: int) -> list[bytes]:
    return [part for found, part in fields(content) if found == number and isinstance(part, bytes)]


def _text(content: bytes, number: int) -> str:
    return "".join(part.decode(errors="replace") for part in _messages(content, number)[:1])


def _mean_ns(message: bytes) -> float:
    """Return the mean time; the tool's own is cut to whole microseconds."""
    stats: dict[int, int | float | bytes] = {}
    for part in _messages(message, 2):  # OpProfileData.inference_microseconds
        stats |= dict(fields(part))
    average, total, count = (stats.get(number, 0) for number in (3, 8, 9))
    if isinstance(average, bytes) or isinstance(total, bytes) or isinstance(count, bytes):
        raise ValueError("a text where a number is expected")  # noqa: TRY004  caught above
    return 1000.0 * (total / count if count else average)
