"""Timings as a table that later work reads: `schemas/latency-table.schema.json`."""

from collections.abc import Mapping, Sequence

import msgspec

from mobilekit.core.reports import DelegationReport, LatencyReport

SCHEMA_VERSION = 1


class LatencyRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long one operator, or a whole file (`operator` is `model`), takes on one device."""

    operator: str
    name: str
    shapes: tuple[tuple[int, ...], ...]
    """Of its inputs; empty where the profiler does not tell."""
    dtype: str
    runtime: str
    device: str
    threads: int
    samples_ns: tuple[int, ...]


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
        delegation: operator profiles by file name; one mean per operator.
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
            LatencyRow(operator.operator, operator.name, (), *common, (operator.mean_ns,))
            for operator in (profile.operators if profile else ())
        )
    return LatencyTable(SCHEMA_VERSION, tuple(rows))
