"""`mobilekit prune`: remove channels from a network, physically."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mobilekit.cli import console, options
from mobilekit.core.errors import UsageError


def prune(
    net: Annotated[str, typer.Argument(help="A network, as for `export`.")],
    sparsity: Annotated[
        float | None,
        typer.Option(
            help="Share of channels that go, between 0 and 1. Without it and without --budget, what is"
            " dead goes, exactly."
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="What may remain, such as macs=0.5 or macs=0.5,params=0.3."),
    ] = None,
    criterion: Annotated[
        Literal["l1", "l2", "batch_norm_scale", "random"],
        typer.Option(help="How much a channel matters."),
    ] = "l2",
    aggregate: Annotated[
        Literal["mean", "max", "sum"],
        typer.Option(help="Over the layers that make a channel together."),
    ] = "mean",
    normalized: Annotated[
        bool,
        typer.Option("--normalized", help="Each of these layers counts the same, however large."),
    ] = False,
    context: Annotated[
        Literal["local", "global"],
        typer.Option(help="Compare within each layer, or over the whole network."),
    ] = "local",
    round_to: Annotated[
        int, typer.Option(min=1, help="Channels that stay are a multiple of this.")
    ] = 8,
    latency_table: Annotated[
        Path | None,
        typer.Option(
            help="Measured latencies (from `mobilekit profile --out`): layers in it get the widest width"
            " that costs no more."
        ),
    ] = None,
    latency_device: Annotated[
        str | None, typer.Option(help="Which of the table's devices, where it has several.")
    ] = None,
    epsilon: Annotated[float, typer.Option(min=0, help="Largest weight of a dead filter.")] = 0.0,
    allow_head: Annotated[
        bool, typer.Option("--allow-head", help="Let the network's outputs lose channels too.")
    ] = False,
    heads: Annotated[
        bool,
        typer.Option("--heads", help="Let whole attention heads go, and not parts of each."),
    ] = False,
    prune_inputs: Annotated[
        bool,
        typer.Option(
            "--prune-inputs",
            help="Let channels of the inputs go too, or single pixels where the network flattens its"
            " input; the manifest says which to feed.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the result. Default: build/<name>-pruned.")
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
    """Remove channels: the dead ones exactly, or a share by a criterion; then compare with the network.

    Exits with 1 when something that was asked for could not be removed; it says what and why.
    """
    console.set_up_logging(debug=debug)
    if latency_device is not None and latency_table is None:
        raise UsageError("--latency-device: is one of a table's; give --latency-table too")
    chosen: dict[str, object] = _asked(sparsity, budget) | {
        "criterion": criterion,
        "aggregate": aggregate,
        "normalized": normalized,
        "context": context,
        "round_to": round_to,
        "epsilon": epsilon,
        "allow_head": allow_head,
        "heads": heads,
        "prune_inputs": prune_inputs,
    }
    if latency_table is not None:
        chosen["latency_table"] = str(latency_table)
    if latency_device is not None:
        chosen["latency_device"] = latency_device
    from mobilekit import pipeline
    from mobilekit.report import tables

    request = pipeline.ExportRequest(
        reference=net,
        out=out,
        inputs=options.parse_inputs(inputs),
        arguments=options.parse_arguments(arguments),
        weights=weights,
        images=images,
        seed=seed,
        debug=debug,
    )
    with console.progress(quiet=quiet or json) as progress:
        result = pipeline.prune(request, chosen, progress)
    if json:
        console.print_json(result)
    else:
        rows = tables.coverage_rows(result.coverage)
        note = tables.step_note(result.step)
        console.print_table(rows, tables.COVERAGE_COLUMNS, f"{net} → {result.folder}", note)
        for words in result.unmet:
            console.warn(words)
    return 1 if result.unmet else 0


def _asked(sparsity: float | None, budget: str | None) -> dict[str, object]:
    """Return what was said of how much goes; neither is for what is dead."""
    if sparsity is not None and budget is not None:
        raise UsageError("--sparsity and --budget: give one of them")
    if sparsity is not None and not 0 < sparsity < 1:
        raise UsageError(
            f"--sparsity {sparsity:g}: expected a share between 0 and 1, such as 0.5; without it, what"
            " is dead goes"
        )
    found = {"sparsity": sparsity, "budget": None if budget is None else _budget(budget)}
    return {key: value for key, value in found.items() if value is not None}


def _budget(text: str) -> dict[str, float]:
    """Read `macs=0.5,params=0.3`."""
    found: dict[str, float] = {}
    for part in text.split(","):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in {"macs", "params"} or key in found:
            raise UsageError(
                f"--budget {text!r}: expected macs=0.5, params=0.3, or both with a comma"
            )
        try:
            found[key] = float(value)
        except ValueError:
            found[key] = 0.0
        if not 0 < found[key] < 1:
            raise UsageError(
                f"--budget {text!r}: {key} is a share of the network between 0 and 1, such as 0.5"
            )
    return found
