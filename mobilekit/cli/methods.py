"""`mobilekit methods`: what mobilekit can do to a network, and what its parts cover."""

from typing import Annotated

import typer

from mobilekit.cli import console, options


def methods(
    topic: Annotated[
        str,
        typer.Argument(
            help="compression: methods for recipes. The name of one: its options and its source."
            " quantize: forms of quantization by format. traps: what the pre-flight guards against."
            " operators: what the Core ML reference executor runs, and what it lacks."
        ),
    ] = "compression",
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """List compression methods, the options of one, forms of quantization, conversion traps, or operators."""
    del quiet  # there is no progress to hide
    console.set_up_logging(debug=debug)
    topics = {
        "compression": _compression,
        "quantize": _forms,
        "traps": _traps,
        "operators": _operators,
    }
    if topic in topics:
        topics[topic](json)
    else:
        _one(topic, json)
    return 0


def _compression(json: bool) -> None:
    from mobilekit.compress.registry import methods as known

    found = known()
    if json:
        console.print_json(found)
    elif not found:
        console.print_line("There are no compression methods.")
    else:
        rows = [{"kind": m.kind, "place": m.place, "what it does": m.summary} for m in found]
        console.print_table(rows, ("kind", "place", "what it does"))


def _one(kind: str, json: bool) -> None:
    from mobilekit.compress.registry import describe

    found = describe(kind)
    if json:
        console.print_json(found)
        return
    console.print_line(found.text)
    rows = [{"option": o.name, "default": o.default, "what it is": o.text} for o in found.options]
    console.print_table(rows, ("option", "default", "what it is"), f'kind = "{kind}"')


def _forms(json: bool) -> None:
    from mobilekit.core.quantization import ALIASES
    from mobilekit.core.support import TABLE

    if json:
        console.print_json(TABLE)
        return
    for place, title in (("coreml", "Core ML"), ("tflite", "LiteRT (TFLite)")):
        rows = [
            {
                "form": row.form,
                "from": row.minimum,
                "stored": row.stored,
                "computed in": row.computed,
                "what to mind": row.cost,
            }
            for row in TABLE
            if row.format == place
        ]
        columns = ("form", "from", "stored", "computed in", "what to mind")
        console.print_table(rows, columns, title)
    for short, long in ALIASES.items():
        console.print_line(
            f"{short} alone means {long}: integers everywhere, calibrated on images."
        )


def _traps(json: bool) -> None:
    from mobilekit.export.traps import TRAPS

    if json:
        console.print_json(TRAPS)
        return
    rows = [
        {
            "trap": t.name,
            "formats": ", ".join(t.formats),
            "action": t.action,
            "what happens": t.summary,
        }
        for t in TRAPS
    ]
    console.print_table(rows, ("trap", "formats", "action", "what happens"))


def _operators(json: bool) -> None:
    from mobilekit.runtime.coreml_reference import missing_operators, supported_operators

    supported, missing = supported_operators(), missing_operators()
    if json:
        console.print_json({"supported": supported, "missing": missing})
        return
    console.print_line(f"{len(supported)} MIL operators run: {', '.join(supported)}")
    console.print_line(f"{len(missing)} lack: {', '.join(missing) or 'none'}")
