"""`mobilekit inspect`: what a network or a model file is made of, and what it costs."""

from typing import Annotated

import typer

from mobilekit.cli import console, options


def inspect(
    what: Annotated[
        str, typer.Argument(help="A network (as for `export`), a model file, or an artifact.")
    ],
    inputs: options.Inputs = [],  # noqa: B006
    arguments: options.Arguments = [],  # noqa: B006
    weights: options.Weights = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Print parameters, MACs, peak activation and layers of a network, or the contents of a file."""
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
        result = pipeline.inspect(request, progress)
    if json:
        console.print_json(result)
        return 0
    if result.cost is not None:
        console.print_table(
            tables.layer_rows(result.cost),
            tables.LAYER_COLUMNS,
            what,
            tables.cost_note(result.cost),
        )
    for file in result.files:
        note = tables.weights_note(file.size_bytes, file.parameters, file.weight_bytes)
        ends = tables.end_rows(file.inputs, file.outputs)
        console.print_table(ends, tables.END_COLUMNS, f"{file.path} ({file.version})")
        rows = tables.file_rows(file.operators)
        console.print_table(rows, tables.FILE_COLUMNS, note=note)
    return 0
