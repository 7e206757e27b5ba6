"""The latency of an artifact's files on this machine, after everything else has come to rest."""

from pathlib import Path

import msgspec

from mobilekit.core import files
from mobilekit.core.artifact import ModelFile
from mobilekit.core.errors import RuntimeUnavailableError
from mobilekit.core.reports import DelegationReport
from mobilekit.core.targets import variant_of
from mobilekit.pipeline.request import ExportRequest

LATENCY_TABLE = "latency-table.json"


def measure_artifact(
    fresh: Path, made: tuple[ModelFile, ...], request: ExportRequest
) -> tuple[tuple[ModelFile, ...], dict[str, DelegationReport]]:
    """Time what this machine can run and write the latency table.

    Returns:
        The files with their timings, and operator profiles by file name.
    """
    from mobilekit.profile import host, tables

    paths = [fresh / file.path for file in made]
    timeable = [path for path in paths if host.why_not(path) is None]
    reports = host.measure(timeable, threads=request.threads, runs=request.runs)
    delegation = profile_operators(timeable, request.threads)[0]
    precisions = {file.path: variant_of(file.target) for file in made}
    shapes = {file.path: tuple(spec.shape for spec in file.inputs) for file in made}
    table = tables.latency_table(reports, delegation, precisions, shapes)
    files.write_bytes(fresh / LATENCY_TABLE, msgspec.json.format(msgspec.json.encode(table)))
    known = {report.file: report for report in reports}
    timed = tuple(msgspec.structs.replace(file, latency=known.get(file.path)) for file in made)
    return timed, delegation


def profile_operators(
    paths: list[Path], threads: int
) -> tuple[dict[str, DelegationReport], dict[str, str]]:
    """Profile each operator of the `.tflite` files; return the reports, and why others have none."""
    from mobilekit.profile.delegation import xnnpack_profile

    found, reasons = {}, {}
    for path in paths:
        if path.suffix != ".tflite":
            reasons[path.name] = "operators are profiled for .tflite files only"
            continue
        try:
            found[path.name] = xnnpack_profile(path, threads=threads)
        except RuntimeUnavailableError as problem:
            reasons[path.name] = str(problem)
    return found, reasons
