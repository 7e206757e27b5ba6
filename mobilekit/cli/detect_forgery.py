"""`mobilekit detect-forgery`: how likely a face in a picture, or in a video, is forged."""

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli import console, options
from mobilekit.cli.parse import Box, Form


def detect_forgery(
    picture: Annotated[
        Path,
        typer.Argument(metavar="IMAGE|VIDEO", help="A photograph, or a video (.mp4, .mov, …)."),
    ],
    net: Annotated[
        str | None,
        typer.Option(
            help="A network with the classes real and fake as for `export`, an artifact's folder, or a"
            " model file in one (default: the trained dfbuster that ships)."
        ),
    ] = None,
    box: Box = None,
    frames: Annotated[int, typer.Option(min=1, help="Of a video: so many, evenly spaced.")] = 16,
    heat_map: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw where the network looks: a page, .png."),
    ] = None,
    form: Form = "tflite",
    inputs: options.Inputs = [],  # noqa: B006
    arguments: options.Arguments = [],  # noqa: B006
    weights: options.Weights = None,
    threads: options.Threads = 1,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Judge whether a face is forged: 0 is real, 1 is fake.

    A video's score is the mean over frames. The network that ships has learned from drawn faces: it shows a
    method, and is no forensic tool.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline
    from mobilekit.pipeline.cropping import parse_box

    request = pipeline.ForgeryRequest(
        path=picture,
        net=pipeline.ExportRequest(
            reference=net or "",
            inputs=options.parse_inputs(inputs),
            arguments=options.parse_arguments(arguments),
            weights=weights,
        ),
        box=parse_box(box),
        frames=frames,
        heat_map=heat_map,
        form=form,
        threads=threads,
    )
    with console.progress(quiet=quiet or json) as progress:
        found = pipeline.detect_forgery(request, progress)
    if json:
        console.print_json(found)
    else:
        rows = [{"frame": str(f.frame), "score": f"{f.score:.3f}"} for f in found.faces]
        title = f"{found.path}: score {found.score:.3f}  ({found.net}, {found.by}; box {found.box})"
        console.print_table(rows, ("frame", "score"), title)
    for note in found.notes:
        console.warn(note)
    return 0
