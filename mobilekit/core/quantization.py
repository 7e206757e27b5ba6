"""The words of `--quantize`: what is stored, what is computed, and which format can hold it.

A form is read from words such as `weights:int4:block32` or `sparse:0.75+palette4`:

    float16                              weights stored (Core ML: computed too) as float16
    weights:int8|int4[:tensor|:blockN]   integers and a scale per output channel, tensor or block of inputs
    weights:paletteN[:uniform][:groupG][:scaled]   indices of N bits into a table of 2^N values
    weights:binary | weights:ternary     scale · sign per output channel; scale · {-1, 0, 1}
    dynamic:int8|int4                    integer weights, activations made 8-bit integers at run time
    static:int8[:integer-io]             integer weights and activations, ranges from calibration images
    static:int8x16[:integer-io]          8-bit weights, 16-bit activations
    sparse:0.75 | sparse:2:4             zeros left out; so many of the weights, or n of m inputs zero
    sparse:…+palette4 | sparse:…+int8    the values that are left, as a palette or integers

`int8` alone means `static:int8`.
"""

import re
from typing import Literal

import msgspec

from mobilekit.core.errors import RecipeError, suggestion

Activations = Literal["float", "dynamic", "int8", "int16"]
Encoding = Literal["float16", "float", "int", "palette", "binary", "ternary"]
Observer = Literal["minmax", "percentile", "mse", "entropy"]
"""How the range of an activation follows from calibration images."""

PALETTE_BITS = (1, 2, 3, 4, 6, 8)
INTEGER_BITS = (4, 8)
ALIASES = {"int8": "static:int8", "w8a8": "static:int8"}
FLOAT = "float"
"""In a map of layers: left as it is."""


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the weights of one layer are stored."""

    encoding: Encoding = "float"
    bits: int = 0
    """Of one weight; 0 for floats as they were."""
    granularity: Literal["channel", "tensor", "block"] = "channel"
    """What shares a scale: an output channel, the tensor, or `block` inputs of an output channel."""
    block: int = 0
    uniform: bool = False
    """The palette's values are evenly spaced; otherwise they are those of k-means."""
    group: int = 0
    """Output channels that share a palette; 0: all."""
    scaled: bool = False
    """Each output channel is divided by its largest size before it meets the palette."""


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `--quantize` asks for, from its words."""

    words: str
    """In their canonical order and spelling."""
    weights: Weights = Weights()
    activations: Activations = "float"
    sparsity: float = 0.0
    """Share of zeros asked for, 0–1."""
    pattern: tuple[int, int] | None = None
    """`(n, m)`: n of m inputs that follow one another are zero."""
    integer_io: bool = False
    """Inputs and outputs of the file are integers."""

    @property
    def calibrated(self) -> bool:
        """Whether ranges of activations are needed."""
        return self.activations in {"int8", "int16"}


class Quantization(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One variant of a file: a form, and where layers are given another."""

    form: str
    layers: dict[str, str] = {}
    """Pattern of layer names (`fnmatch`) → words of a form, or `float`; the last that matches counts."""
    observer: Observer = "minmax"
    strict: bool = False
    """A layer that is not quantized as asked is an error."""


def parse(words: str) -> Form:
    """Read the words of a form.

    Raises:
        RecipeError: no such form; the nearest ones are named.

    >>> parse("int8").words, parse("weights:palette4:scaled:group16").words
    ('static:int8', 'weights:palette4:group16:scaled')
    >>> parse("sparse:2:4+int8").pattern
    (2, 4)
    """
    text = ALIASES.get(words.strip().lower(), words.strip().lower())
    first, plus, second = text.partition("+")
    if plus:
        return _joint(words, first, second)
    kind, _, rest = text.partition(":")
    readers = {"weights": _stored, "static": _static, "dynamic": _dynamic, "sparse": _sparse}
    if text == "float16":
        return Form("float16", Weights("float16", 16))
    if kind not in readers or not rest:
        raise _unknown(words)
    return readers[kind](words, rest)


def _stored(words: str, rest: str) -> Form:
    head, *options = rest.split(":")
    return Form(_canonical("weights", found := _weights(words, head, options)), found)


def _weights(words: str, head: str, options: list[str]) -> Weights:
    if head in {"binary", "ternary"} and not options:
        return Weights("binary", 1) if head == "binary" else Weights("ternary", 2)
    found = re.fullmatch(r"(int|palette)(\d+)", head)
    if not found:
        raise _unknown(words)
    encoding, bits = found[1], int(found[2])
    known = INTEGER_BITS if encoding == "int" else PALETTE_BITS
    if bits not in known:
        raise RecipeError(
            f"quantize: {words!r}: {encoding} of {bits} bits does not exist; there are"
            f" {', '.join(map(str, known))} bits"
        )
    if encoding == "int":
        return _integers(words, bits, options)
    return _palette(words, bits, options)


def _integers(words: str, bits: int, options: list[str]) -> Weights:
    if not options:
        return Weights("int", bits)
    if options == ["tensor"]:
        return Weights("int", bits, "tensor")
    block = re.fullmatch(r"block(\d+)", options[0])
    if len(options) > 1 or not block or int(block[1]) < 2:
        raise _unknown(words)
    return Weights("int", bits, "block", int(block[1]))


def _palette(words: str, bits: int, options: list[str]) -> Weights:
    group, left = 0, []
    for option in options:
        found = re.fullmatch(r"group(\d+)", option)
        if found and not group and int(found[1]):
            group = int(found[1])
        else:
            left.append(option)
    if len(set(left)) < len(left) or not set(left) <= {"uniform", "scaled"}:
        raise _unknown(words)
    return Weights(
        "palette", bits, "tensor", uniform="uniform" in left, group=group, scaled="scaled" in left
    )


def _canonical(prefix: str, weights: Weights) -> str:
    return f"{prefix}:{_storage(weights)}"


def _storage(weights: Weights) -> str:
    if weights.encoding in {"binary", "ternary"}:
        return weights.encoding
    parts = [f"{weights.encoding}{weights.bits}"]
    if weights.encoding == "int":
        parts += {"tensor": ["tensor"], "block": [f"block{weights.block}"]}.get(
            weights.granularity, []
        )
    else:
        parts += ["uniform"] * weights.uniform
        parts += [f"group{weights.group}"] if weights.group else []
        parts += ["scaled"] * weights.scaled
    return ":".join(parts)


def _static(words: str, rest: str) -> Form:
    head, *options = rest.split(":")
    if head not in {"int8", "int8x16"} or options not in ([], ["integer-io"]):
        raise _unknown(words)
    return Form(
        f"static:{rest}",
        Weights("int", 8),
        "int8" if head == "int8" else "int16",
        integer_io=bool(options),
    )


def _dynamic(words: str, rest: str) -> Form:
    if rest not in {"int8", "int4"}:
        raise _unknown(words)
    return Form(f"dynamic:{rest}", Weights("int", int(rest[3:])), "dynamic")


def _sparse(words: str, rest: str) -> Form:
    pattern = re.fullmatch(r"(\d+):(\d+)", rest)
    if pattern:
        n, m = int(pattern[1]), int(pattern[2])
        if not 0 < n < m:
            raise RecipeError(f"quantize: {words!r}: n:m needs 0 < n < m")
        return Form(f"sparse:{n}:{m}", sparsity=n / m, pattern=(n, m))
    try:
        share = float(rest)
    except ValueError:
        raise _unknown(words) from None
    if not 0 < share < 1:
        raise RecipeError(f"quantize: {words!r}: the share of zeros lies between 0 and 1")
    return Form(f"sparse:{share:g}", sparsity=share)


def _joint(words: str, first: str, second: str) -> Form:
    if not first.startswith("sparse:"):
        raise _unknown(words)
    sparse = _sparse(words, first.removeprefix("sparse:"))
    head, *options = second.removeprefix("weights:").split(":")
    weights = _weights(words, head, options)
    if weights.encoding not in {"int", "palette"} or weights.granularity == "block":
        raise _unknown(words)
    return Form(
        f"{sparse.words}+{_storage(weights)}",
        weights,
        sparsity=sparse.sparsity,
        pattern=sparse.pattern,
    )


def _unknown(words: str) -> RecipeError:
    from mobilekit.core.support import EXAMPLES

    return RecipeError(
        f"quantize: {words!r} is no form.{suggestion(words.strip().lower(), EXAMPLES)}"
        " `mobilekit methods quantize` lists them"
    )
