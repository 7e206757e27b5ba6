"""`mobilekit run`: carry out a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli import console, options
from mobilekit.cli.export import show


def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe.toml, or a folder that holds one.")],
    out: Annotated[
        Path | None, typer.Option(help="The artifact's folder. Default: build/<name>.")
    ] = None,
    images: options.Images = None,
    threads: options.Threads = 1,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Carry out a recipe: build the net, compress it by its steps, export it to its targets, verify, measure.

    Exits with 1 when a file does not compute what the network computes.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.recipe import read_recipe

    read_recipe(recipe)
    request = pipeline.ExportRequest(
        reference=str(recipe), out=out, images=images, threads=threads, debug=debug
    )
    with console.progress(quiet=quiet or json) as progress:
        folder, manifest = pipeline.export(request, progress)
    return show(folder, manifest, json=json)
