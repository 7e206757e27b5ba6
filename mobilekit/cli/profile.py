"""`mobilekit profile`: how long a file takes on this machine, and where the time goes."""

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli import console, options


def profile(
    path: Annotated[Path, typer.Argument(help="An artifact's folder, or a .tflite or .onnx file.")],
    runs: Annotated[int, typer.Option(min=5, help="Timed runs per file.")] = 50,
    warmup: Annotated[int, typer.Option(min=0, help="Runs before the timed ones.")] = 10,
    operators: Annotated[
        bool, typer.Option(help="Profile each operator, and say which fell out of XNNPACK.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option(help="Write the timings as a latency table (JSON) here.")
    ] = None,
    threads: options.Threads = 1,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Time the files of an artifact on this machine: interleaved runs, one thread by default."""
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.report import tables

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
