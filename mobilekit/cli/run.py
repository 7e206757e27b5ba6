"""`mobilekit run`: carry out a recipe."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli import console, interrupts, options
from mobilekit.cli.export import show


def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe.toml, or a folder that holds one.")],
    out: Annotated[
        Path | None, typer.Option(help="The artifact's folder. Default: build/<name>.")
    ] = None,
    images: options.Images = None,
    threads: options.Threads = 1,
    accelerator: Annotated[
        str,
        typer.Option(
            help="For training: cpu, gpu, mps, auto (Lightning's names).",
            rich_help_panel="Training",
        ),
    ] = "cpu",
    devices: Annotated[
        str,
        typer.Option(
            help="For training: how many, their numbers (0,1), or auto.", rich_help_panel="Training"
        ),
    ] = "1",
    num_nodes: Annotated[
        int, typer.Option(min=1, help="For training: hosts.", rich_help_panel="Training")
    ] = 1,
    strategy: Annotated[
        str,
        typer.Option(
            help="For training: auto, ddp, ... (Lightning's names).", rich_help_panel="Training"
        ),
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="For training: 32-true, bf16-mixed, 16-mixed, ...", rich_help_panel="Training"
        ),
    ] = "32-true",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a training that was stopped, from its last checkpoint.",
            rich_help_panel="Training",
        ),
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Carry out a recipe: build the net, train and compress it by its steps, export it, verify, measure.

    Checkpoints, logs for TensorBoard and the history of a training lie beside the artifact, in
    `<out>.training/`.

    Exits with 1 when a file does not compute what the network computes.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.recipe import read_recipe

    read_recipe(recipe)
    request = pipeline.ExportRequest(
        reference=str(recipe),
        out=out,
        images=images,
        threads=threads,
        debug=debug,
        flags={
            "accelerator": accelerator,
            "devices": int(devices) if devices.isdigit() else devices,
            "num_nodes": num_nodes,
            "strategy": strategy,
            "precision": precision,
        },
        resume=resume,
    )
    silent = quiet or json or _is_helping()
    with interrupts.told(request), console.progress(quiet=silent) as progress:
        folder, manifest = pipeline.export(request, progress)
    return show(folder, manifest, json=json)


def _is_helping() -> bool:
    """Say whether this process was started beside the first one, to train with it."""
    return os.environ.get("LOCAL_RANK", "0") != "0"
