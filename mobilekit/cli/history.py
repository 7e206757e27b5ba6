"""`mobilekit history`: what happened in a training, and which of its epochs to choose."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli import console, options

if TYPE_CHECKING:
    from mobilekit.pipeline import TrainingHistory


def history(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A training's folder, such as build/x.training/1-train, or the one above it."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw it: .png, .svg or .pdf; of several trainings, one each, with the folder's name added.",
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Show a training epoch by epoch, and its Pareto list: the epochs that no other one beats.

    One epoch beats another with a better metric or more zeros, when it is nowhere worse. Weights of
    single epochs are there where the recipe says `keep_epochs = true`. With --out, metric, loss, zeros
    over time, the values of the filters and the filters of the first convolution are drawn.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline

    with console.progress(quiet=quiet or json) as progress:
        found = pipeline.history(folder, out, progress)
    if json:
        console.print_json(found)
        return 0
    for one in found:
        if one.picture is not None:
            console.print_line(one.picture)
        else:
            _print(one)
    return 0


def _print(one: "TrainingHistory") -> None:
    from mobilekit.report import history_table as table

    rows = table.epoch_rows(one.epochs, one.metric, one.figures)
    console.print_table(rows, table.epoch_columns(one.metric, one.figures), one.folder, one.data)
    choices = [
        table.choice_row(each.epoch, (one.metric, each.metric), each.zeros, each.weights)
        for each in one.pareto
    ]
    if choices:
        console.print_table(choices, tuple(choices[0]), "Pareto list: no other epoch beats these")
