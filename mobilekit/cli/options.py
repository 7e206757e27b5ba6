"""Options that several commands share, and how their texts become values."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import DataError, UsageError, suggestion
from mobilekit.core.quantization import Observer, Quantization
from mobilekit.core.targets import (
    FORMATS,
    CoremlTarget,
    OnnxTarget,
    SourceTarget,
    Target,
    TfliteTarget,
    format_of,
    quantized,
)
from mobilekit.core.tensors import TensorSpec, parse_input

if TYPE_CHECKING:
    from mobilekit.data.catalog import DataConfig

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Tracebacks, converter output and debug logging on stderr.")
]
Inputs = Annotated[
    list[str],
    typer.Option(
        "--input", "-i", metavar="[NAME=]SHAPE[:DTYPE]",
        help="An input, such as 1x3x224x224 or image=1x3x224x224:float32; once per input.",
    ),
]  # fmt: skip
Arguments = Annotated[
    list[str],
    typer.Option(
        "--arg", "-a", metavar="KEY=VALUE",
        help="An argument of the network's factory or configuration; repeat for more.",
    ),
]  # fmt: skip
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights", "-w", help="A state dict: .safetensors, or .pt holding tensors only."
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images", help="Your photographs to check and verify on (default: bundled ones)."
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="Threads for the runtimes on this machine.")]
Seed = Annotated[int, typer.Option(help="Seed of weights, noise and image choice.")]


Data = Annotated[
    str | None,
    typer.Option(
        help="Labelled data to judge each file's answers on, such as digits, shapes:segmentation or"
        " image-folder:PATH (default: a recipe's test data)."
    ),
]
DataCount = Annotated[int, typer.Option(min=1, help="Labelled images, at most.")]


def parse_data(text: str | None) -> "DataConfig | None":
    """Read `--data`."""
    from mobilekit.data.catalog import read_data

    return None if text is None else read_data(text)


def parse_inputs(texts: list[str]) -> tuple[TensorSpec, ...]:
    """Read each `--input`; names must differ."""
    specs = tuple(parse_input(text, position) for position, text in enumerate(texts))
    names = [spec.name for spec in specs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UsageError(f"--input: the name {min(twice)!r} is given twice")
    return specs


def parse_arguments(texts: list[str]) -> dict[str, str]:
    """Read each `--arg key=value`."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--arg {text!r}: expected key=value, such as num_classes=10")
        pairs[key] = value
    return pairs


def parse_numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    """Read comma-separated numbers, one or one per channel."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} {text!r}: expected numbers such as 0.485,0.456,0.406") from None


def parse_normalization(
    mean: str | None, std: str | None, scale: str | None
) -> Normalization | None:
    """Combine `--mean`, `--std` and `--scale`; None when none is given.

    `(pixel * scale - mean) / std`. `--scale` takes a number or a fraction such as 1/255.
    """
    if mean is None and std is None and scale is None:
        return None
    means, stds = parse_numbers("--mean", mean), parse_numbers("--std", std)
    if stds is not None and 0.0 in stds:
        raise UsageError(f"--std {std!r}: a standard deviation of 0 divides by nothing")
    return Normalization(means or (0.0,), stds or (1.0,), _fraction(scale))


def _fraction(text: str | None) -> float:
    if text is None:
        return 1.0
    upper, _, lower = text.partition("/")
    try:
        return float(upper) / float(lower or 1)
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"--scale {text!r}: expected a number or a fraction such as 1/255"
        ) from None


def parse_labels(path: Path | None) -> tuple[str, ...]:
    """Read one label per line.

    Raises:
        DataError: missing, unreadable, empty, or not UTF-8.
    """
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise DataError(f"--labels {path}: cannot be read ({problem.strerror})") from problem
    except UnicodeDecodeError as problem:
        raise DataError(f"--labels {path}: is not UTF-8 text") from problem
    labels = tuple(line.strip() for line in lines if line.strip())
    if not labels:
        raise DataError(f"--labels {path}: holds no label; one per line is expected")
    return labels


Quantize = Annotated[
    str,
    typer.Option(
        metavar="[FORMAT=]FORM,…",
        help="Smaller files beside those of floats: static:int8, weights:palette4, … A form alone is made for"
        " each format. `mobilekit methods quantize` lists what each format has.",
        rich_help_panel="Quantization",
    ),
]
Layers = Annotated[
    list[str],
    typer.Option(
        "--layer", metavar="PATTERN=FORM",
        help="Another form, or float, for the layers of a name such as classifier.*; repeat for more.",
        rich_help_panel="Quantization",
    ),
]  # fmt: skip
Calibrate = Annotated[
    Path | None,
    typer.Option(
        help="Your images, from which the ranges of activations come (default: a recipe's training data,"
        " else the bundled photographs).",
        rich_help_panel="Quantization",
    ),
]
CalibrateCount = Annotated[
    int, typer.Option(min=1, help="Calibration images, at most.", rich_help_panel="Quantization")
]
ObserverOption = Annotated[
    Observer,
    typer.Option(
        "--observer", help="How a range follows from the images.", rich_help_panel="Quantization"
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="A layer that is not quantized as asked is an error.",
        rich_help_panel="Quantization",
    ),
]  # fmt: skip


def parse_quantized(
    targets: tuple[Target, ...],
    texts: str,
    layers: list[str],
    *,
    observer: Observer = "minmax",
    strict: bool = False,
) -> tuple[Target, ...]:
    """Add, behind each file of floats, the quantized ones that are made of it.

    Args:
        targets: of floats.
        texts: `[FORMAT=]FORM`, comma-separated; a form alone is made for each format that has forms.
        layers: `PATTERN=FORM`.
        observer: how ranges of activations follow from calibration images.
        strict: a layer that is not quantized as asked is an error.

    Raises:
        UsageError: a format that is not exported to.
        RecipeError: a form that does not exist or that a format lacks.
    """
    asked = [text.strip() for text in texts.split(",") if text.strip()]
    if not asked:
        if layers:
            raise UsageError("--layer: without --quantize there is nothing to give it")
        return targets
    able = [one for one in targets if isinstance(one, CoremlTarget | TfliteTarget)]
    if not able:
        raise UsageError(
            "--quantize: only coreml and tflite files can be quantized; name one in --to"
        )
    forms = [_scoped(text, able) for text in asked]
    rest = dict(_layer(text) for text in layers)
    found: list[Target] = []
    for target in targets:
        found.append(target)
        for form, formats in forms:
            if format_of(target) in formats:
                found.append(quantized(target, Quantization(form, rest, observer, strict)))
    return tuple(one for index, one in enumerate(found) if one not in found[:index])


def _scoped(text: str, able: list[CoremlTarget | TfliteTarget]) -> tuple[str, list[str]]:
    """Read `[FORMAT=]FORM`."""
    formats = [format_of(target) for target in able]
    place, equals, form = text.partition("=")
    if not equals:
        return text, formats
    if place not in formats:
        raise UsageError(
            f"--quantize {text!r}: {place!r} is not among the files that are made"
            f" ({', '.join(formats)}).{suggestion(place, formats)}"
        )
    return form, [place]


def _layer(text: str) -> tuple[str, str]:
    pattern, equals, form = text.partition("=")
    if not equals or not pattern or not form:
        raise UsageError(f"--layer {text!r}: expected PATTERN=FORM, such as classifier.*=float")
    return pattern, form


def parse_targets(formats: str, choices: dict[str, object]) -> tuple[Target, ...]:
    """Build the targets of `--to coreml,tflite,onnx` with the options that each format has.

    Raises:
        UsageError: an unknown format or a value it does not have.
    """
    names = [name.strip().lower() for name in formats.split(",") if name.strip()]
    for name in names:
        if name not in FORMATS:
            raise UsageError(
                f"--to: unknown format {name!r}; one of {', '.join(FORMATS)}.{suggestion(name, FORMATS)}"
            )
    if not names:
        raise UsageError(f"--to: name at least one of {', '.join(FORMATS)}")
    return tuple(_target(name, choices) for name in dict.fromkeys(names))


def _target(name: str, choices: dict[str, object]) -> Target:
    precision = choices.get("precision")
    if name == "coreml":
        target = CoremlTarget(
            minimum_os=choices["minimum_os"],  # type: ignore[arg-type]
            precision=precision or "float16",  # type: ignore[arg-type]
            image_input=bool(choices["image_input"]),
            float16_io=bool(choices["float16_io"]),
        )
        if target.float16_io and target.minimum_os == "ios15":
            raise UsageError(
                "--float16-io: float16 inputs and outputs need --minimum-os ios16 or later"
            )
        return target
    if name == "tflite":
        return TfliteTarget(precision or "float32", choices["layout"])  # type: ignore[arg-type]
    if name == "source":
        return SourceTarget()
    return OnnxTarget(dynamic_batch=bool(choices["dynamic_batch"]))
