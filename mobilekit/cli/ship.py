"""`mobilekit ship`: a trained network beside its recipe."""

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli import console, options


def ship(
    artifact: Annotated[Path, typer.Argument(help="What `mobilekit run` has made of the recipe.")],
    recipe: Annotated[Path, typer.Argument(help="The recipe's folder, such as models/dfbuster.")],
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Write a trained network's weights, figures and card beside its recipe.

    From then on `mobilekit export NAME` takes the trained network, NAME being the folder's.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline

    with console.progress(quiet=quiet or json) as progress:
        result = pipeline.ship(artifact, recipe, progress)
    if json:
        console.print_json(result)
    else:
        typer.echo(
            f"{result.folder}: weights ({result.weights_bytes:,} bytes), metrics.json and README.md"
        )
    return 0
