"""`mobilekit quantize`: smaller files of a network or of an artifact, verified and measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli import console, options
from mobilekit.cli.export import export, show
from mobilekit.core.errors import UsageError
from mobilekit.core.quantization import Quantization, parse
from mobilekit.core.targets import format_of, quantization_of

if TYPE_CHECKING:
    from mobilekit.pipeline.mixing import Mixed, Mixing


def quantize(
    net: Annotated[
        str,
        typer.Argument(
            help="An artifact's folder, which gets the smaller files; or a network as `export` takes it."
        ),
    ],
    forms: Annotated[
        str,
        typer.Option(
            "--form",
            "-f",
            metavar="[FORMAT=]FORM,…",
            help="static:int8, weights:palette4, … A form alone is made for each format that is there."
            " `mobilekit methods quantize` lists what each format has.",
        ),
    ] = "",
    choose: Annotated[
        str,
        typer.Option(
            metavar="FORMAT=FORM,FORM,…",
            help="Of an artifact: a form for each layer, chosen from these within one of the bounds below.",
            rich_help_panel="A form per layer",
        ),
    ] = "",
    mean_bits: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Bits per weight, at most, scales and tables included.",
            rich_help_panel="A form per layer",
        ),
    ] = None,
    size: Annotated[
        float | None,
        typer.Option(min=1, help="Bytes of weights, at most.", rich_help_panel="A form per layer"),
    ] = None,
    sqnr: Annotated[
        float | None,
        typer.Option(
            help="Signal-to-error ratio of the outputs in dB, at least, as it is expected.",
            rich_help_panel="A form per layer",
        ),
    ] = None,
    to: Annotated[
        str, typer.Option(help="Formats of a network: coreml, tflite. An artifact has its own.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="The folder of a network's artifact. Default: build/<name>."),
    ] = None,
    layer: options.Layers = [],  # noqa: B006  typer copies it
    calibrate: options.Calibrate = None,
    calibrate_count: options.CalibrateCount = 64,
    observer: options.ObserverOption = "minmax",
    strict: options.Strict = False,
    data: options.Data = None,
    data_count: options.DataCount = 256,
    images: options.Images = None,
    count: Annotated[int, typer.Option(min=1, help="Images to verify on.")] = 8,
    threads: options.Threads = 1,
    runs: Annotated[
        int, typer.Option(min=0, help="Timed runs per file; 0 leaves the latency out.")
    ] = 50,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Make quantized files of a network's files of floats, which stay as they are; verify and measure them.

    Exits with 1 when a file is further from the network than errors of its size explain.
    """
    from mobilekit.core import artifact

    folder = Path(net)
    mixing = _mixing(choose, {"mean_bits": mean_bits, "size": size, "sqnr": sqnr})
    if not forms and mixing is None:
        raise UsageError("quantize: say what is to be made: --form or --choose")
    if mixing is not None and not artifact.is_artifact(folder):
        raise UsageError(f"--choose: {net} is no artifact; export it first")
    if not artifact.is_artifact(folder):
        return export(
            net, to=to, out=out, quantize=forms, layer=layer, calibrate=calibrate,
            calibrate_count=calibrate_count, observer=observer, strict=strict, data=data,
            data_count=data_count, images=images,
            count=count, threads=threads, runs=runs, seed=seed, json=json, quiet=quiet, debug=debug,
        )  # fmt: skip
    if to or out:
        raise UsageError(
            f"{net}: is an artifact: its formats and its place are known; leave --to and --out out"
        )
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline

    manifest = artifact.read_manifest(folder)
    floats = tuple(file.target for file in manifest.files if quantization_of(file.target) is None)
    targets = options.parse_quantized(floats, forms, layer, observer=observer, strict=strict)
    wanted = [(format_of(one), quantization_of(one)) for one in targets]
    request = pipeline.ExportRequest(
        reference=net,
        images=images,
        image_count=count,
        calibrate=calibrate,
        calibrate_count=calibrate_count,
        data=options.parse_data(data),
        data_count=data_count,
        threads=threads,
        runs=runs,
        seed=seed,
        debug=debug,
    )
    asked: tuple[tuple[str, Quantization], ...] = tuple(
        (kind, how) for kind, how in wanted if how is not None
    )
    with console.progress(quiet=quiet or json) as progress:
        if mixing is not None:
            mixed = pipeline.mix(folder, manifest, mixing, count, seed, progress)
            asked += ((mixing.format, mixed.quantization),)
        folder, manifest = pipeline.quantize(request, asked, progress)
    if mixing is not None and not json:
        _tell(mixed)
    return show(folder, manifest, json=json)


def _mixing(choose: str, bounds: dict[str, float | None]) -> "Mixing | None":
    """Read `--choose FORMAT=FORM,…` and its bound.

    Raises:
        UsageError: no format, or not exactly one bound.
    """
    given = [(name, value) for name, value in bounds.items() if value is not None]
    if not choose:
        if given:
            option = given[0][0].replace("_", "-")
            raise UsageError(f"--{option}: is a bound for --choose, which is missing")
        return None
    kind, equals, forms = choose.partition("=")
    if not equals or kind not in {"coreml", "tflite"}:
        raise UsageError(
            f"--choose {choose!r}: expected FORMAT=FORM,FORM, such as"
            " coreml=weights:palette2,weights:palette4,weights:palette8"
        )
    if len(given) != 1:
        raise UsageError("--choose: needs one bound: --mean-bits, --size or --sqnr")
    from mobilekit.pipeline.mixing import Mixing

    words = tuple(dict.fromkeys(parse(one).words for one in forms.split(",") if one.strip()))
    name, value = given[0]
    return Mixing(kind, words, name, value)  # type: ignore[arg-type]


def _tell(mixed: "Mixed") -> None:
    """Say what was chosen, and the lines that put it in a recipe."""
    console.print_line(
        f"{mixed.mean_bits:.2f} bits per weight, {mixed.expected_sqnr_db:.1f} dB expected"
    )
    for line in mixed.uniform:
        console.print_line(line)
    layers = ", ".join(f'"{name}" = "{form}"' for name, form in mixed.quantization.layers.items())
    console.print_line(f'quantize = "{mixed.quantization.form}", layers = {{ {layers} }}')
