"""`mobilekit run`: carry out a recipe."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli import console, interrupts, options
from mobilekit.cli.export import show

if TYPE_CHECKING:
    from mobilekit.core.ablations import Ablation


def run(
    recipe: Annotated[
        Path,
        typer.Argument(
            help="A recipe.toml or a folder that holds one; or the lines of an ablation."
        ),
    ],
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
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder where images of the data are kept in shards: drawn or read once, not each epoch.",
            rich_help_panel="Training",
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Carry out a recipe: build the net, train and compress it by its steps, export it, verify, measure.

    Checkpoints, logs for TensorBoard and the history of a training lie beside the artifact, in
    `<out>.training/`.

    A file with `[[lines]]`, each changing something of the recipe of the line before, is an ablation: each
    line is run, those that were run before are taken as they are, and one table is printed.

    Exits with 1 when a file does not compute what the network computes.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.recipe import read_recipe

    ablation = pipeline.is_ablation(recipe)
    if not ablation:
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
        cache=cache,
    )
    silent = quiet or json or _is_helping()
    with interrupts.told(request), console.progress(quiet=silent) as progress:
        if ablation:
            return _show_lines(pipeline.ablate(request, progress), json=json)
        folder, manifest = pipeline.export(request, progress)
    return show(folder, manifest, json=json)


def _show_lines(found: "Ablation", *, json: bool) -> int:
    """Print the table of an ablation."""
    from mobilekit.report import ablation_table

    if json:
        console.print_json(found)
    else:
        rows, columns = ablation_table.rows(found), ablation_table.columns(found)
        notes = "; ".join((f"{found.name} → {found.folder}", *ablation_table.notes(found)))
        console.print_table(rows, columns, notes)
    verdicts = [file.verdict for line in found.results for file in line.files]
    return 1 if "fail" in verdicts else 0


def _is_helping() -> bool:
    """Say whether this process was started beside the first one, to train with it."""
    return os.environ.get("LOCAL_RANK", "0") != "0"
