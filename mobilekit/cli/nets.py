"""`mobilekit nets`: the networks that ship, with their variants."""

from mobilekit.cli import console, options


def nets(
    json: options.Json = False, quiet: options.Quiet = False, debug: options.Debug = False
) -> int:
    """List each shipped network and variant with parameters, MACs and input."""
    del quiet  # there is no progress to hide
    console.set_up_logging(debug=debug)
    from mobilekit.nets.catalog import variants

    known = variants()
    if json:
        console.print_json(known)
        return 0
    rows = [
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
    ]
    console.print_table(rows, ("net", "parameters", "MACs", "input", "what it is"))
    return 0
