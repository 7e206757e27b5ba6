"""What a model can be exported to, and with which choices."""

from typing import Literal, TypeAlias

import msgspec

from mobilekit.core import quantization, support
from mobilekit.core.errors import RecipeError
from mobilekit.core.quantization import FLOAT, Observer, Quantization

Precision = Literal["float32", "float16"]
Os = Literal["ios15", "ios16", "ios17", "ios18"]


class CoremlTarget(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="coreml"
):
    """A Core ML ML program for `minimum_os` and later."""

    minimum_os: Os = "ios17"
    precision: Precision = "float16"
    image_input: bool = False
    """The first input is an RGB image, which Core ML scales by 1/255 when the net asks for 0–1."""
    float16_io: bool = False
    """Inputs and outputs as float16 multi-arrays (from ios16 on); float32 otherwise."""
    quantize: str = ""
    """Words of a form (`mobilekit methods quantize`); nothing for a file of floats."""
    layers: dict[str, str] = {}
    """Pattern of layer names → words of a form, or `float`; the last that matches counts."""
    observer: Observer = "minmax"
    """How ranges of activations follow from calibration images."""
    strict: bool = False
    """A layer that is not quantized as asked is an error."""

    def __post_init__(self) -> None:
        _settle(self, "coreml", self.minimum_os)


class TfliteTarget(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="tflite"
):
    """A LiteRT (TFLite) flat buffer."""

    precision: Precision = "float32"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    quantize: str = ""
    """Words of a form (`mobilekit methods quantize`); nothing for a file of floats."""
    layers: dict[str, str] = {}
    """Pattern of layer names → words of a form, or `float`; the last that matches counts."""
    observer: Observer = "minmax"
    """How ranges of activations follow from calibration images."""
    strict: bool = False
    """A layer that is not quantized as asked is an error."""

    def __post_init__(self) -> None:
        _settle(self, "tflite")


class OnnxTarget(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="onnx"
):
    """An ONNX graph."""

    precision: Literal["float32"] = "float32"
    dynamic_batch: bool = True


class SourceTarget(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="source"
):
    """Python source that imports only torch, with the weights beside it."""

    precision: Literal["float32"] = "float32"


Target: TypeAlias = CoremlTarget | TfliteTarget | OnnxTarget | SourceTarget
FORMATS: dict[str, type[Target]] = {
    "coreml": CoremlTarget,
    "tflite": TfliteTarget,
    "onnx": OnnxTarget,
    "source": SourceTarget,
}
SUFFIXES = {"coreml": ".mlpackage", "tflite": ".tflite", "onnx": ".onnx", "source": ".source"}


def format_of(target: Target) -> str:
    """Return the `kind` of a target: coreml, tflite, onnx or source."""
    return str(target.__struct_config__.tag)


def variant_of(target: Target) -> str:
    """Return what a file of a target holds, in one word: the form, or the precision of its floats.

    >>> variant_of(TfliteTarget()), variant_of(TfliteTarget(quantize="int8"))
    ('float32', 'static:int8')
    """
    words = getattr(target, "quantize", "") or target.precision
    return f"{words} mixed" if getattr(target, "layers", {}) else words


def base_of(target: Target) -> Target:
    """Return the target of floats that a quantized file is made from; the target itself for others."""
    if not isinstance(target, CoremlTarget | TfliteTarget) or not target.quantize:
        return target
    return msgspec.structs.replace(target, quantize="", layers={}, observer="minmax", strict=False)


def quantization_of(target: Target) -> Quantization | None:
    """Return what is to be quantized; None for a file of floats."""
    if not isinstance(target, CoremlTarget | TfliteTarget) or not target.quantize:
        return None
    return Quantization(target.quantize, target.layers, target.observer, target.strict)


def quantized(target: Target, wanted: Quantization) -> Target:
    """Return the target of a file that is quantized so, made from a target of floats.

    Raises:
        RecipeError: its format has no such form.
    """
    if not isinstance(target, CoremlTarget | TfliteTarget):
        raise RecipeError(
            f"quantize: {format_of(target)} files cannot be quantized; coreml and tflite can"
        )
    fields = msgspec.structs.asdict(target) | {
        "quantize": wanted.form,
        "layers": wanted.layers,
        "observer": wanted.observer,
        "strict": wanted.strict,
    }
    try:
        return type(target)(**fields)
    except ValueError as problem:
        raise RecipeError(str(problem)) from problem


def file_name(target: Target) -> str:
    """Return the name that a target's file has in an artifact.

    >>> file_name(TfliteTarget()), file_name(CoremlTarget("ios18", quantize="sparse:0.75+palette4"))
    ('model.tflite', 'model-sparse-0.75-palette4.mlpackage')
    >>> file_name(TfliteTarget("float16")), file_name(CoremlTarget())
    ('model-float16.tflite', 'model.mlpackage')
    """
    words = getattr(target, "quantize", "").replace(":", "-").replace("+", "-")
    if words and getattr(target, "layers", {}):
        words += "-mixed"
    if not words and target.precision != type(target)().precision:
        words = target.precision
    return f"model{'-' if words else ''}{words}{SUFFIXES[format_of(target)]}"


def _settle(target: CoremlTarget | TfliteTarget, place: support.Place, system: str = "") -> None:
    """Spell a target's form as everybody does, and refuse one that its format cannot hold.

    Raises:
        ValueError: no such form, or not in this format; msgspec adds the key path.
    """
    if not target.quantize:
        if target.layers:
            raise ValueError("layers: without quantize there is nothing to give them")
        return
    try:
        form = quantization.parse(target.quantize)
        support.require(form, place, system or support.SYSTEMS[-1])
        for words in target.layers.values():
            if words != FLOAT:
                support.require(quantization.parse(words), place, system or support.SYSTEMS[-1])
    except RecipeError as problem:
        raise ValueError(str(problem)) from problem
    floats = form.words == "float16"
    msgspec.structs.force_setattr(target, "quantize", "" if floats else form.words)
    if floats:
        msgspec.structs.force_setattr(target, "precision", "float16")
