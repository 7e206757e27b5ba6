"""`mobilekit inspect`: what a network or a model file is made of, and what it costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli import console, options

if TYPE_CHECKING:
    from mobilekit.core.reports import CostReport
    from mobilekit.report.graph import ChannelMap


def inspect(
    what: Annotated[
        str, typer.Argument(help="A network (as for `export`), a model file, or an artifact.")
    ],
    graph: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw which channels of a network belong together: .svg or .html."
        ),
    ] = None,
    inputs: options.Inputs = [],  # noqa: B006
    arguments: options.Arguments = [],  # noqa: B006
    weights: options.Weights = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Print what a network costs and which of its channels can be pruned, or the contents of a file."""
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.report import tables

    request = pipeline.ExportRequest(
        reference=what,
        inputs=options.parse_inputs(inputs),
        arguments=options.parse_arguments(arguments),
        weights=weights,
        seed=seed,
        debug=debug,
    )
    with console.progress(quiet=quiet or json) as progress:
        result = pipeline.inspect(request, progress, graph)
    if json:
        console.print_json(result)
        return 0
    if result.cost is not None:
        _print_network(what, result.cost, result.channels)
    if result.note:
        console.warn(result.note)
    for file in result.files:
        note = tables.weights_note(file.size_bytes, file.parameters, file.weight_bytes)
        ends = tables.end_rows(file.inputs, file.outputs)
        console.print_table(ends, tables.END_COLUMNS, f"{file.path} ({file.version})")
        rows = tables.file_rows(file.operators)
        console.print_table(rows, tables.FILE_COLUMNS, note=note)
    return 0


def _print_network(what: str, cost: "CostReport", channels: "ChannelMap | None") -> None:
    from mobilekit.report import tables

    note = tables.cost_note(cost)
    if channels is None:
        console.print_table(tables.layer_rows(cost), tables.LAYER_COLUMNS, what, note)
        return
    rows = tables.channel_rows(cost, channels)
    note = f"{note} {tables.channel_note(channels)}"
    console.print_table(rows, tables.CHANNEL_COLUMNS, what, note)
