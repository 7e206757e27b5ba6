"""`mobilekit parse`: the parts of a face in false colours, over a photograph or a video."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mobilekit.cli import console, options

Box = Annotated[
    str | None,
    typer.Option(
        metavar="LEFT,TOP,RIGHT,BOTTOM",
        help="The part of the picture with the face, in pixels; best a square with some room around the"
        " face (default: the centred square; faces are not found by themselves yet).",
    ),
]
Form = Annotated[
    Literal["tflite", "coreml"],
    typer.Option("--format", help="Of an artifact: the file that is run."),
]


def parse(
    picture: Annotated[
        Path,
        typer.Argument(metavar="IMAGE|VIDEO", help="A photograph, or a video (.mp4, .mov, …)."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="What is drawn: .png, of a video .mp4.")
    ],
    net: Annotated[
        str | None,
        typer.Option(
            help="A segmentation network as for `export`, an artifact's folder, or a model file in one"
            " (default: the trained mobile-hourglass that ships)."
        ),
    ] = None,
    box: Box = None,
    form: Form = "tflite",
    inputs: options.Inputs = [],  # noqa: B006
    arguments: options.Arguments = [],  # noqa: B006
    weights: options.Weights = None,
    legend: Annotated[
        bool, typer.Option("--legend", help="Names and colours of the classes beside the picture.")
    ] = False,
    threads: options.Threads = 1,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Find the parts of a face, and draw them in false colours over a photograph or a video.

    Networks that take the mask of the frame before are given it. Prints which share of the box each class covers.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.pipeline.cropping import parse_box
    from mobilekit.report import words

    request = pipeline.ParseRequest(
        path=picture,
        out=out,
        net=pipeline.ExportRequest(
            reference=net or "",
            inputs=options.parse_inputs(inputs),
            arguments=options.parse_arguments(arguments),
            weights=weights,
        ),
        box=parse_box(box),
        form=form,
        legend=legend,
        threads=threads,
    )
    with console.progress(quiet=quiet or json) as progress:
        found = pipeline.parse(request, progress)
    if json:
        console.print_json(found)
    else:
        rows = [{"class": n, "share": words.share(share)} for n, share in found.shares.items()]
        frames = f", {found.frames} frames" if found.frames > 1 else ""
        title = f"{found.path} → {found.out}  ({found.net}, {found.by}; box {found.box}{frames})"
        console.print_table(rows, ("class", "share"), title)
    for note in found.notes:
        console.warn(note)
    return 0
