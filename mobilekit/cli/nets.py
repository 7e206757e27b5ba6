"""`mobilekit nets`: the networks that ship, with their variants."""

from typing import TYPE_CHECKING

from mobilekit.cli import console, options

if TYPE_CHECKING:
    from mobilekit.nets.shipped import Shipped


def nets(
    json: options.Json = False, quiet: options.Quiet = False, debug: options.Debug = False
) -> int:
    """List each shipped network and variant with parameters, MACs and input."""
    del quiet  # there is no progress to hide
    console.set_up_logging(debug=debug)
    from mobilekit.nets.catalog import variants
    from mobilekit.nets.shipped import shipped

    known = variants()
    if json:
        console.print_json(known)
        return 0
    names = {one.name for one in shipped()}
    rows = [_trained(one) for one in shipped()]
    rows += [
        {
            "net": variant.reference,
            "parameters": f"{variant.params:,}",
            "MACs": f"{variant.macs:,}",
            "input": ", ".join(
                f"{spec.name}={'x'.join(map(str, spec.shape))}" for spec in variant.inputs
            ),
            "what it is": variant.description,
        }
        for variant in known
        if variant.reference not in names
    ]
    console.print_table(rows, ("net", "parameters", "MACs", "input", "what it is"))
    return 0


def _trained(one: "Shipped") -> dict[str, str]:
    """Return the row of a network that ships with weights."""
    from mobilekit.nets.shipped import metadata

    said = metadata(one.weights)
    return {
        "net": one.name,
        "parameters": f"{int(said['parameters']):,}",
        "MACs": f"{int(said['macs']):,}",
        "input": ", ".join(
            f"{spec.name}={'x'.join(map(str, spec.shape))}" for spec in one.config.inputs
        ),
        "what it is": f"trained; its card: models/{one.name}/README.md",
    }
