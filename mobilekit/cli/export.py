"""`mobilekit export`: a network to Core ML, LiteRT and ONNX, verified and measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mobilekit.cli import console, interrupts, options
from mobilekit.core.errors import UsageError
from mobilekit.core.targets import Os, Precision

if TYPE_CHECKING:
    from mobilekit.core.artifact import Manifest
    from mobilekit.core.targets import Target


def export(
    net: Annotated[
        str,
        typer.Argument(
            help="A shipped net (see `mobilekit nets`), a folder or file of a recipe, torchvision:NAME,"
            " timm:NAME, path/to/file.py:factory, or a .pt2 program."
        ),
    ] = "",
    to: Annotated[
        str, typer.Option(help="Formats, comma-separated: coreml, tflite, onnx, source.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="The artifact's folder. Default: build/<name>.")
    ] = None,
    inputs: options.Inputs = [],  # noqa: B006  typer copies it
    arguments: options.Arguments = [],  # noqa: B006
    weights: options.Weights = None,
    mean: Annotated[
        str | None, typer.Option(help="Mean per channel, baked in: (pixel * scale - mean) / std.")
    ] = None,
    std: Annotated[
        str | None, typer.Option(help="Standard deviation per channel, baked in.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="Factor on the camera's pixels 0–255, such as 1/255.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Class names, one per line.")] = None,
    images: options.Images = None,
    count: Annotated[int, typer.Option(min=1, help="Images to verify on.")] = 8,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Default: float16 for coreml, float32 for tflite. ONNX is float32."),
    ] = None,
    minimum_os: Annotated[Os, typer.Option(help="Oldest system of the Core ML file.")] = "ios17",
    image_input: Annotated[
        bool, typer.Option("--image-input", help="Core ML: the first input is an RGB image.")
    ] = False,
    float16_io: Annotated[
        bool, typer.Option("--float16-io", help="Core ML: float16 inputs and outputs.")
    ] = False,
    layout: Annotated[
        Literal["nhwc", "nchw"], typer.Option(help="LiteRT: order of the image axes in the file.")
    ] = "nhwc",
    dynamic_batch: Annotated[bool, typer.Option(help="ONNX: any batch size.")] = True,
    quantize: options.Quantize = "",
    layer: options.Layers = [],  # noqa: B006
    calibrate: options.Calibrate = None,
    calibrate_count: options.CalibrateCount = 64,
    observer: options.ObserverOption = "minmax",
    strict: options.Strict = False,
    data: options.Data = None,
    data_count: options.DataCount = 256,
    author: Annotated[str, typer.Option(help="Written into the files.")] = "",
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="Written into the files.")
    ] = "",
    description: Annotated[str, typer.Option(help="Written into the files.")] = "",
    model_version: Annotated[str, typer.Option(help="Written into the files.")] = "",
    threads: options.Threads = 1,
    runs: Annotated[
        int, typer.Option(min=0, help="Timed runs per file; 0 leaves the latency out.")
    ] = 50,
    seed: options.Seed = 0,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="APPS",
            help="Put the artifact, if all of it is good, into the sample apps of this folder (apps/);"
            " of a net that ships the files that its recipe names.",
            rich_help_panel="Sample apps",
        ),
    ] = None,
    check_bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="APPS",
            help="Export nothing: say which networks in the sample apps are no longer those that ship.",
            rich_help_panel="Sample apps",
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Export a network to Core ML and LiteRT (and ONNX), prove that the files compute the same, and time them.

    Exits with 1 when a file does not compute what the network computes, or a format failed.
    """
    console.set_up_logging(debug=debug)
    if check_bundle is not None:
        if net:
            raise UsageError("--check-bundle: exports nothing; name no network beside it")
        return _show_bundles(check_bundle, json=json)
    if not net:
        raise UsageError("name a network to export; `mobilekit nets` lists those that ship")
    choices: dict[str, object] = {
        "precision": precision,
        "minimum_os": minimum_os,
        "image_input": image_input,
        "float16_io": float16_io,
        "layout": layout,
        "dynamic_batch": dynamic_batch,
    }

    def wanted(formats: str) -> "tuple[Target, ...]":
        return options.parse_quantized(
            options.parse_targets(formats, choices),
            quantize,
            layer,
            observer=observer,
            strict=strict,
        )

    targets = wanted(to) if to else ()
    default_targets = () if to else wanted("coreml,tflite")
    metadata = {
        "author": author,
        "licence": licence,
        "description": description,
        "version": model_version,
    }
    from mobilekit import pipeline

    given = options.parse_arguments(arguments)
    if bundle is not None:
        pipeline.check_apps(bundle)
        default_targets = pipeline.targets_for_apps(net, default_targets)
        given = pipeline.arguments_for_apps(net, given)
    request = pipeline.ExportRequest(
        reference=net,
        targets=targets,
        default_targets=default_targets,
        out=out,
        inputs=options.parse_inputs(inputs),
        arguments=given,
        weights=weights,
        normalization=options.parse_normalization(mean, std, scale),
        labels=options.parse_labels(labels),
        images=images,
        image_count=count,
        calibrate=calibrate,
        calibrate_count=calibrate_count,
        data=options.parse_data(data),
        data_count=data_count,
        metadata={key: value for key, value in metadata.items() if value},
        threads=threads,
        runs=runs,
        seed=seed,
        debug=debug,
    )
    with interrupts.told(request), console.progress(quiet=quiet or json) as progress:
        folder, manifest = pipeline.export(request, progress)
    code = show(folder, manifest, json=json)
    if bundle is not None and code == 0:
        _tell_bundled(pipeline.bundle(folder, bundle), json=json)
    elif bundle is not None:
        console.warn(f"{bundle}: {manifest.name} is not bundled, since not all of it is good")
    return code


def show(folder: Path, manifest: "Manifest", *, json: bool) -> int:
    """Print the result of an export and return its exit code."""
    if json:
        console.print_json(manifest)
    else:
        _tell(folder, manifest)
    if manifest.failures:
        return max(failure.exit_code for failure in manifest.failures)
    return 1 if any(file.parity.verdict == "fail" for file in manifest.files) else 0


def _tell_bundled(places: tuple[Path, ...], *, json: bool) -> None:
    """Say where an artifact was put for the apps."""
    for place in places:
        if not json:
            console.print_line(f"bundled: {place}")


def _show_bundles(apps: Path, *, json: bool) -> int:
    """Print which networks of the apps are stale; return the exit code."""
    from mobilekit import pipeline

    found = pipeline.check_bundles(apps)
    reasons = {stale.name: stale.reason for stale in found.stale}
    if json:
        console.print_json(found)
    else:
        for name in found.names:
            again = f"; run `mobilekit export {name} --bundle {apps}`"
            words = f"stale: {reasons[name]}{again}" if name in reasons else "current"
            console.print_line(f"{name}: {words}")
        if not found.names:
            console.print_line(f"{apps}: no network is bundled")
    return 1 if reasons else 0


def _tell(folder: Path, manifest: "Manifest") -> None:
    """Print the table, and what a person should not miss."""
    from mobilekit.report import quantization, tables, words

    _tell_stages(manifest)
    rows, columns = tables.export_rows(manifest), tables.EXPORT_COLUMNS
    title = f"{manifest.name} → {folder}  {words.WEIGHTS[manifest.weights]}".rstrip()
    console.print_table(rows, columns, title)
    for note in manifest.notes:
        console.warn(note)
    for file in manifest.files:
        for note in file.notes:
            console.warn(f"{file.path}: {note}")
        for line in quantization.not_as_asked(file.quantization):
            console.warn(f"{file.path}: {line}")
    for file in manifest.files:
        if file.parity.verdict != "pass":
            console.warn(f"{file.path}: {file.parity.verdict}: {file.parity.reason}")
    for failure in manifest.failures:
        console.warn(failure.reason)


def _tell_stages(manifest: "Manifest") -> None:
    """Print what the network was worth after each step of a recipe."""
    from mobilekit.report import tables

    rows, columns = tables.stage_rows(manifest)
    if rows:
        console.print_table(
            rows, columns, "; ".join(("step by step", *tables.stage_notes(manifest)))
        )
