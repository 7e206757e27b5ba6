"""`mobilekit data`: a look at the data that are drawn here."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mobilekit.cli import console, options

data = typer.Typer(
    name="data",
    help="Look at the data sets that are drawn here.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@data.callback()
def _data(context: typer.Context) -> None:
    """Look at the data sets that are drawn here."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@data.command()
def preview(
    what: Annotated[
        Literal["faces", "forgeries", "clips"],
        typer.Argument(help="Faces with their masks, forgeries with what is spliced, clips."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page, .png.")],
    seed: Annotated[int, typer.Option(help="By which everything is drawn.")] = 0,
    style: Annotated[
        Literal["faces", "faces-hard"],
        typer.Option(help="faces-hard: held out, never trained on."),
    ] = "faces",
    size: Annotated[int, typer.Option(min=16, max=512, help="Side of a picture, pixels.")] = 96,
    rows: Annotated[int, typer.Option(min=1, max=64, help="Of clips: one each.")] = 6,
    columns: Annotated[
        int, typer.Option(min=1, max=64, help="Pictures in a row; of clips, frames.")
    ] = 6,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Draw a page of pictures as networks are trained on them, each with its mask."""
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline

    request = pipeline.PreviewRequest(
        what=what, out=out, seed=seed, style=style, size=size, rows=rows, columns=columns
    )
    with console.progress(quiet=quiet or json) as progress:
        found = pipeline.preview(request, progress)
    if json:
        console.print_json(found)
    else:
        console.print_line(f"{found.out}: {found.provenance}")
    return 0
