"""Timings as a table that later work reads: `schemas/latency-table.schema.json`."""

from collections.abc import Mapping, Sequence

import msgspec

from mobilekit.core.reports import DelegationReport, LatencyReport

SCHEMA_VERSION = 1


class LatencyRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long one operator, or a whole file (`operator` is `model`), takes on one device."""

    operator: str
    """`model`, or what the runtime calls the kernel, such as `Convolution (NHWC, F32) IGEMM`."""
    name: str
    """The file; for a kernel also its place in the run and the file's operator with its index, such as
    `model.tflite:3:ADD 2`. No two are the same."""
    shapes: tuple[tuple[int, ...], ...]
    """Of its inputs, weights included, in the file's layout; empty where the kernel's operator in the
    file is not known."""
    dtype: str
    """Precision of a file; type of the tensor that a kernel makes, empty where it is not known."""
    runtime: str
    device: str
    threads: int
    samples_ns: tuple[int, ...]
    """One per run. For a kernel in steps of 1,000: the profiler counts whole microseconds. Kernels that
    never took one have no row."""


class LatencyTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of one or more devices."""

    schema_version: int
    rows: tuple[LatencyRow, ...]


def latency_table(
    reports: Sequence[LatencyReport],
    delegation: dict[str, DelegationReport],
    dtypes: Mapping[str, str] | None = None,
    shapes: dict[str, tuple[tuple[int, ...], ...]] | None = None,
) -> LatencyTable:
    """Collect whole files, and their operators where they were profiled.

    Args:
        reports: timings of whole files.
        delegation: operator profiles by file name.
        dtypes: precision by file name; `float32` otherwise.
        shapes: input shapes by file name.
    """
    rows = []
    for report in reports:
        dtype = (dtypes or {}).get(report.file, "float32")
        sizes = (shapes or {}).get(report.file, ())
        common = (dtype, report.runtime, report.device, report.threads)
        rows.append(LatencyRow("model", report.file, sizes, *common, report.samples_ns))
        profile = delegation.get(report.file)
        rows.extend(
            LatencyRow(
                one.operator,
                f"{report.file}:{one.name}",
                one.shapes,
                one.dtype,
                *common[1:],
                one.samples_ns,
            )
            for one in (profile.operators if profile else ())
            if any(one.samples_ns)
        )
    return LatencyTable(SCHEMA_VERSION, tuple(rows))
