"""`mobilekit profile`: how long a file takes, on this machine or on a phone, and where the time goes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli import console, device_options, options
from mobilekit.core.errors import UsageError

if TYPE_CHECKING:
    from mobilekit.pipeline import DeviceProfileRequest

REPORTS = Path("build/reports")


def profile(
    path: Annotated[
        Path,
        typer.Argument(help="An artifact's folder, or a .tflite, .onnx or .mlpackage file."),
    ],
    runs: Annotated[int, typer.Option(min=5, help="Timed runs per file.")] = 50,
    warmup: Annotated[int, typer.Option(min=0, help="Runs before the timed ones.")] = 10,
    operators: Annotated[
        bool, typer.Option(help="Profile each operator, and say which fell out of XNNPACK.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the timings here: of this machine as a latency table (JSON file), of a phone as reports"
            " (folder, by default build/reports)."
        ),
    ] = None,
    threads: options.Threads = 1,
    device: device_options.DeviceOption = "host",
    serial: device_options.Serial = None,
    backend: device_options.BackendOption = "app",
    benchmark_model: device_options.BenchmarkModel = None,
    apk: device_options.Packages = [],  # noqa: B006  typer copies it
    xcode_project: device_options.Project = None,
    compute_units: device_options.Units = None,
    timeout: device_options.Timeout = 600.0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Time the files of an artifact on this machine: interleaved runs, one thread by default.

    With --device, on a phone at the end of a cable: its .tflite files on Android, its .mlpackage on iOS.
    Each gives a report that `mobilekit report` reads. The way to phones was tried against stand-ins of adb
    and xcrun, not yet with a real phone.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.report import tables

    if device != "host":
        from mobilekit.profile.devices import Job

        units = device_options.parse_units(compute_units, device)
        job = Job(
            runs=runs, warmup=warmup, threads=threads, units=units, serial=serial, timeout_s=timeout
        )
        request = pipeline.DeviceProfileRequest(
            path=path, place=device, job=job, out=out or REPORTS, backend=backend,
            benchmark_model=benchmark_model, packages=tuple(apk), project=xcode_project,
        )  # fmt: skip
        return _on_device(request, json=json, quiet=quiet)
    program = backend != "app" or benchmark_model
    phones = {"serial": serial, "backend": program, "compute_units": compute_units, "apk": apk}
    _check_host(**phones, xcode_project=xcode_project)

    with console.progress(quiet=quiet or json) as progress:
        result = pipeline.profile(
            pipeline.ProfileRequest(path, runs, warmup, operators, out, threads), progress
        )
    if json:
        console.print_json(result)
        return 0
    rows = tables.latency_rows(result.latencies)
    console.print_table(rows, tables.LATENCY_COLUMNS, f"{path} on {result.device}")
    for file, report in result.delegation.items():
        note = tables.delegation_note(report)
        rows = tables.operator_rows(report)
        console.print_table(rows, tables.OPERATOR_COLUMNS, file, note)
    for file, reason in result.skipped.items():
        console.warn(f"{file}: skipped: {reason}")
    return 0


def _on_device(request: "DeviceProfileRequest", *, json: bool, quiet: bool) -> int:
    from mobilekit import pipeline
    from mobilekit.report import device_table
    from mobilekit.report.device_measurements import from_report

    with console.progress(quiet=quiet or json) as progress:
        found = pipeline.profile_on_device(request, progress)
    checks = [report.verification for report in found.reports]
    code = 1 if any(check is not None and not check.passed for check in checks) else 0
    if json:
        console.print_json(found)
        return code
    shown = [
        from_report(report, path, {})
        for report, path in zip(found.reports, found.paths, strict=True)
    ]
    kind = shown[0].kind
    rows = device_table.rows(shown)
    console.print_table(rows, device_table.narrow(kind, rows), shown[0].device)
    for path in found.paths:
        console.print_line(path)
    return code


def _check_host(**given: object) -> None:
    """Refuse what belongs to a phone."""
    for name, value in given.items():
        if value:
            raise UsageError(f"--{name.replace('_', '-')}: belongs to --device android or ios")
