"""`mobilekit sensitivity`: which layers bear pruning, and which do not."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mobilekit.cli import console, options

if TYPE_CHECKING:
    from mobilekit.pipeline import Sensitivity

Row = dict[str, str]


def sensitivity(
    net: Annotated[str, typer.Argument(help="A network, as for `export`.")],
    by: Annotated[
        Literal["layer", "group"],
        typer.Option(help="Each layer by itself, or channels with all the filters that make them."),
    ] = "layer",
    granularity: Annotated[
        str, typer.Option(help="What goes of a layer: filter, kernel, row, weight, 2:4, …")
    ] = "filter",
    criterion: Annotated[
        str,
        typer.Option(
            help="What goes first: by layer as in a sparsification (default large_final), by group as in"
            " `prune` (default l2)."
        ),
    ] = "",
    sparsities: Annotated[
        str | None, typer.Option(help="Shares that go, such as 0.1,0.5. Default: 0.1 to 0.9.")
    ] = None,
    layers: Annotated[
        list[str],
        typer.Option("--layer", metavar="PATTERN", help="Only these layers; repeat for more."),
    ] = [],  # noqa: B006
    without: Annotated[
        list[str],
        typer.Option("--without", metavar="PATTERN", help="Not these layers; repeat for more."),
    ] = [],  # noqa: B006
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled data to judge on, such as digits, shapes:segmentation or mnist:PATH. Default:"
            " none, and the outputs are compared with the untouched network's."
        ),
    ] = None,
    measure: Annotated[
        Literal["sqnr", "loss", "metric"] | None,
        typer.Option(help="Default: with --data its metric (accuracy, mean IoU, …), else sqnr."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Images, at most. Default: 8, or 256 labelled ones."),
    ] = None,
    bound: Annotated[
        float | None,
        typer.Option(
            help="What is tolerable: least SQNR in dB (10), or distance from the untouched network's loss"
            " (0.1) or metric (0.01)."
        ),
    ] = None,
    final: Annotated[
        float | None,
        typer.Option(
            help="Also say how sparse to make each layer so that this share of all groups goes, within the"
            " bound."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what --json prints in a file.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it: .png or .svg.")
    ] = None,
    inputs: options.Inputs = [],  # noqa: B006
    arguments: options.Arguments = [],  # noqa: B006
    weights: options.Weights = None,
    images: options.Images = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Make one layer after the other sparse, without training, and measure what that costs.

    Exits with 1 when the bound does not allow the share that --final asks for.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.data.catalog import read_data
    from mobilekit.pipeline.sensitivity import check

    request = pipeline.SensitivityRequest(
        network=pipeline.ExportRequest(
            reference=net,
            inputs=options.parse_inputs(inputs),
            arguments=options.parse_arguments(arguments),
            weights=weights,
            images=images,
            image_count=count or 8,
            seed=seed,
            debug=debug,
        ),
        by=by,
        granularity=granularity,
        criterion=criterion,
        sparsities=options.parse_numbers("--sparsities", sparsities) or (),
        layers=tuple(layers),
        without=tuple(without),
        data=None if data is None else read_data(data),
        measure=measure,
        count=count or 256,
        bound=bound,
        final=final,
        out=out,
        plot=plot,
    )
    check(request)
    with console.progress(quiet=quiet or json) as progress:
        result = pipeline.sensitivity(request, progress)
    if json:
        console.print_json(result)
    else:
        _print(net, result)
        if result.unmet:
            console.warn(result.unmet)
    return 1 if result.unmet else 0


def _print(net: str, result: "Sensitivity") -> None:
    from mobilekit.report.sensitivity_table import columns, note, rows

    report = result.report
    table = rows(report, result.within, result.ranking, result.context)
    title = f"{net}: {report.measure} at a sparsity of …"
    console.print_table(table, columns(report, result.context), title, note(report, result.bound))
