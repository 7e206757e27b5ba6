"""`mobilekit specialize`: keep some of a network's classes."""

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli import console, options
from mobilekit.core.errors import UsageError


def specialize(
    net: Annotated[str, typer.Argument(help="A network, as for `export`.")],
    keep: Annotated[str, typer.Option(help="Classes that stay, such as cat,dog.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="Names of all classes, one per line; not needed where they are known."),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(help="Class that always stays; found where it is called background."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the result. Default: build/<name>-specialized.")
    ] = None,
    inputs: options.Inputs = [],  # noqa: B006
    arguments: options.Arguments = [],  # noqa: B006
    weights: options.Weights = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Cut a network's heads down to some of its classes, exactly; `export` takes the result.

    To win by it, train on with kernel_sparsity and distill in a recipe: its step is `specialize`.
    """
    console.set_up_logging(debug=debug)
    names = tuple(name.strip() for name in keep.split(",") if name.strip())
    if not names:
        raise UsageError("--keep: name at least one class, such as cat,dog")
    from mobilekit import pipeline

    request = pipeline.ExportRequest(
        reference=net,
        out=out,
        inputs=options.parse_inputs(inputs),
        arguments=options.parse_arguments(arguments),
        weights=weights,
        labels=options.parse_labels(labels),
        seed=seed,
        debug=debug,
    )
    with console.progress(quiet=quiet or json) as progress:
        result = pipeline.specialize(request, names, background, progress)
    if json:
        console.print_json(result)
        return 0
    step = result.step
    rows = [
        {"new": str(new), "old": str(old), "class": name}
        for new, (old, name) in enumerate(zip(step.kept_classes, step.class_names, strict=True))
    ]
    note = f"{step.params_before:,} → {step.params_after:,} parameters"
    console.print_table(rows, ("new", "old", "class"), f"{net} → {result.folder}", note)
    for words in step.notes[1:]:
        console.print_line(words)
    return 0
