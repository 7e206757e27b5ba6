"""`mobilekit verify`: does each file of an artifact compute what the network computes?"""

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli import console, options


def verify(
    artifact: Annotated[Path, typer.Argument(help="An artifact's folder, made by `export`.")],
    images: options.Images = None,
    count: Annotated[int, typer.Option(min=1, help="Images to verify on.")] = 8,
    layerwise: Annotated[
        bool,
        typer.Option("--layerwise", help="Find the first operator where the error rises; draw it."),
    ] = False,
    runtime: Annotated[
        str | None,
        typer.Option(help="Another runtime for the .tflite files: tensorflow (an extra)."),
    ] = None,
    threads: options.Threads = 1,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Run the files of an artifact by their own runtimes and compare with the network.

    Uses the artifact's golden vectors, and your images when given. Exits with 1 on a failure.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.report import tables

    with console.progress(quiet=quiet or json) as progress:
        result = pipeline.verify(
            pipeline.VerifyRequest(artifact, images, count, layerwise, runtime, threads, seed),
            progress,
        )
    if json:
        console.print_json(result)
    else:
        console.print_table(
            tables.parity_rows(result.reports), tables.PARITY_COLUMNS, str(artifact)
        )
        for report in result.reports:
            if report.reason:
                console.warn(f"{report.file}: {report.verdict}: {report.reason}")
        for finding in result.layers:
            console.print_line(finding.summary)
    return 1 if any(report.verdict == "fail" for report in result.reports) else 0
