"""Which form of quantization which format can hold: what is stored, what is computed, what it costs."""

from typing import Literal

import msgspec

from mobilekit.core.errors import RecipeError
from mobilekit.core.quantization import Form, parse

Place = Literal["coreml", "tflite"]
SYSTEMS = ("ios15", "ios16", "ios17", "ios18")


class Support(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the support table."""

    form: str
    """Words with placeholders, as a person reads them."""
    example: str
    format: Place
    minimum: str
    """Oldest system, or runtime, that reads it."""
    stored: str
    computed: str
    cost: str
    """What it is good for, and what to mind."""


TABLE = (
    Support("float16", "float16", "coreml", "ios15", "float16", "float16",
            "half the bytes; what Core ML files are by default"),
    Support("weights:int8[:tensor]", "weights:int8", "coreml", "ios16", "8-bit integers, a float16 scale per channel",
            "float16", "a quarter of the bytes; decoded at load or while it runs, no faster on the CPU"),
    Support("weights:int4[:tensor]", "weights:int4", "coreml", "ios18", "4-bit integers, a scale per channel",
            "float16", "an eighth of the bytes; coarse, look at the decibels"),
    Support("weights:int4|int8:blockN", "weights:int4:block32", "coreml", "ios18", "integers, a scale per N inputs",
            "float16", "finer than a scale per channel; N must divide the inputs of a layer"),
    Support("weights:palette8|6|4|2|1[:uniform]", "weights:palette4", "coreml", "ios16",
            "indices and a table per tensor", "float16", "smallest error per bit; what the Neural Engine likes"),
    Support("weights:palette3[:uniform]", "weights:palette3", "coreml", "ios18", "3-bit indices and a table per tensor",
            "float16", "as palette4, smaller"),
    Support("weights:paletteN:groupG", "weights:palette4:group16", "coreml", "ios18", "a table per G output channels",
            "float16", "finer; G must divide the output channels of a layer"),
    Support("weights:paletteN:scaled", "weights:palette4:scaled", "coreml", "ios18",
            "a table per tensor and a scale per output channel", "float16", "finer at low bits"),
    Support("weights:binary", "weights:binary", "coreml", "ios18", "1-bit signs, a scale per output channel", "float16",
            "a 32nd of the bytes; only for networks trained for it"),
    Support("weights:ternary", "weights:ternary", "coreml", "ios18", "2-bit indices into -s, 0, s per output channel",
            "float16", "only for networks trained for it"),
    Support("static:int8", "static:int8", "coreml", "ios17",
            "8-bit weights, ranges of activations", "8-bit where the Neural Engine has it (A17, M4 and later)",
            "W8A8 in Core ML's words; inputs and outputs stay float"),
    Support("sparse:S", "sparse:0.75", "coreml", "ios16", "a bit per weight and the weights that are left", "float16",
            "smaller from about 1/16 zeros on; faster only where the hardware skips zeros"),
    Support("sparse:n:m", "sparse:2:4", "coreml", "ios16", "a bit per weight and the weights that are left", "float16",
            "as sparse:S"),
    Support("sparse:S+paletteN", "sparse:0.75+palette4", "coreml", "ios18",
            "a bit per weight and indices of those left", "float16", "zeros and palette together"),
    Support("sparse:S+int8", "sparse:0.75+int8", "coreml", "ios18", "a bit per weight and integers of those left",
            "float16", "zeros and integers together"),
    Support("float16", "float16", "tflite", "any", "float16", "float32",
            "half the bytes; decoded when the file is loaded"),
    Support("weights:int8", "weights:int8", "tflite", "any", "8-bit integers, a scale per channel", "float32",
            "a quarter of the bytes, as fast as float32"),
    Support("weights:int4", "weights:int4", "tflite", "LiteRT 1.0", "4-bit integers, a scale per channel", "float32",
            "an eighth of the bytes; convolutions leave the fast kernels and run several times slower"),
    Support("dynamic:int8", "dynamic:int8", "tflite", "any", "8-bit integers, a scale per channel",
            "8-bit integers, ranges found at run time",
            "faster for plain convolutions and linear layers; depthwise ones fall out of XNNPACK and slow down"),
    Support("dynamic:int4", "dynamic:int4", "tflite", "LiteRT 1.0", "4-bit integers, a scale per channel",
            "8-bit integers, ranges found at run time", "as dynamic:int8, half its bytes, coarse"),
    Support("static:int8[:integer-io]", "static:int8", "tflite", "any", "8-bit integers, a scale per channel",
            "8-bit integers", "a quarter of the bytes and the fastest on CPUs; needs calibration images"),
    Support("static:int8x16[:integer-io]", "static:int8x16", "tflite", "any", "8-bit integers, a scale per channel",
            "16-bit integers", "closest to float, but no XNNPACK kernel: some 30 times slower on CPUs"),
)  # fmt: skip
EXAMPLES = tuple(dict.fromkeys(row.example for row in TABLE))


def row_of(form: Form, place: Place) -> Support | None:
    """Return the row of the table that a form falls under; None where the format has none."""
    if form.integer_io and place == "coreml":
        return None
    wanted = _family(form)
    rows = (row for row in TABLE if row.format == place and _family(parse(row.example)) == wanted)
    return next(rows, None)


def require(form: Form, place: Place, minimum_os: str = "ios18") -> Support:
    """Return the row of a form.

    Raises:
        RecipeError: the format, or the system asked for, cannot hold it; the nearest form is named.
    """
    row = row_of(form, place)
    if row is None:
        raise RecipeError(
            f"quantize: {place} has no {form.words}; the nearest that it has: {nearest(form, place)}"
        )
    if place == "coreml" and SYSTEMS.index(row.minimum) > SYSTEMS.index(minimum_os):
        raise RecipeError(
            f"quantize: {form.words} needs {row.minimum}, the file is for {minimum_os}: say"
            f" --minimum-os {row.minimum}, or take {nearest(form, place, minimum_os)}"
        )
    return row


def nearest(form: Form, place: Place, minimum_os: str = "ios18") -> str:
    """Return the words of the form that a format has and that is most alike: bits first."""
    rows = [
        (row, parse(row.example))
        for row in TABLE
        if row.format == place
        and (place != "coreml" or SYSTEMS.index(row.minimum) <= SYSTEMS.index(minimum_os))
    ]

    def apart(one: tuple[Support, Form]) -> tuple[int, ...]:
        other = one[1]
        return (
            (form.activations == "float") != (other.activations == "float"),
            abs((form.weights.bits or 16) - (other.weights.bits or 16)),
            bool(form.sparsity) != bool(other.sparsity),
            form.weights.encoding != other.weights.encoding,
            form.activations != other.activations,
        )

    return min(rows, key=apart)[0].example


def _family(form: Form) -> tuple[object, ...]:
    weights = form.weights
    bits: object = weights.bits
    if weights.encoding == "palette":
        bits = "3" if weights.bits == 3 and not (weights.group or weights.scaled) else "any"
    if weights.granularity == "block" or form.sparsity:
        bits = "any"
    return (
        form.activations,
        weights.encoding,
        bits if form.activations != "dynamic" else weights.bits,
        weights.granularity == "block",
        bool(weights.group) and not form.sparsity,
        weights.scaled and not weights.group and not form.sparsity,
        bool(form.sparsity),
        form.pattern is not None and weights.encoding == "float",
    )
