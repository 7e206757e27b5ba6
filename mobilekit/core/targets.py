"""What a model can be exported to, and with which choices."""

from typing import Literal, TypeAlias

import msgspec

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


class TfliteTarget(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="tflite"
):
    """A LiteRT (TFLite) flat buffer."""

    precision: Precision = "float32"
    layout: Literal["nhwc", "nchw"] = "nhwc"


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
