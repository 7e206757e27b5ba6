"""What a Core ML model says of its own inputs, outputs and state, and how values cross that border."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mobilekit.core.errors import DataError
from mobilekit.core.tensors import TensorSpec

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays

_ARRAY_TYPES = {
    65568: "float32",
    65552: "float16",
    131104: "int32",
    65600: "float64",
    131080: "int8",
}
"""Core ML's ArrayFeatureType.ArrayDataType: 0x10000 is floating, 0x20000 integer; then the bits."""
GRAY, RGB, BGR, GRAY_FLOAT16 = 10, 20, 30, 40
"""Core ML's ImageFeatureType.ColorSpace."""
_CHANNELS = {GRAY: 1, RGB: 3, BGR: 3, GRAY_FLOAT16: 1}


Bounds = tuple[tuple[int, int], ...]
"""Smallest and largest size of each axis; a largest one below 0 is none."""


@dataclass(frozen=True)
class Ends:
    """The border between features (what an app gives and gets) and the program's values."""

    images: dict[str, int]
    """Image feature → colour space."""
    kinds: dict[str, str]
    """Output feature → kind: multiArrayType, imageType, dictionaryType, stringType, int64Type."""
    flexible: dict[str, tuple[Bounds, ...]] = field(default_factory=dict)
    """Input feature of several shapes → what they may be."""
    states: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    """Output feature → element type."""

    def to_program(self, name: str, value: Tensor) -> Tensor:
        """Turn an input feature into the program's value: pixels [1, H, W, C] into [1, C, H, W]."""
        if name not in self.images:
            return value
        planes = value.permute(0, 3, 1, 2).float()
        if self.images[name] == BGR:
            planes = planes.flip(1)
        return planes.contiguous()

    def to_features(self, results: dict[str, Any]) -> "Arrays":
        """Turn the program's results into output features, in the order of the description.

        Dictionary outputs are matched with the program's by order: MIL does not keep their names.
        """
        import numpy as np

        left = [name for name in results if name not in self.kinds]
        found: Arrays = {}
        for name, kind in self.kinds.items():
            value = results[name] if name in results else results[left.pop(0)]
            if isinstance(value, str):
                found[name] = np.array([value])
            elif kind == "imageType":
                gray16 = self.images[name] == GRAY_FLOAT16
                planes = value.half() if gray16 else value.clamp(0, 255).round().to(torch.uint8)
                if self.images.get(name) == BGR:
                    planes = planes.flip(1)
                found[name] = planes.permute(0, 2, 3, 1).contiguous().numpy()
            else:
                array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
                wanted = self.types.get(name)
                with np.errstate(over="ignore"):  # beyond float16 is infinite, as in Core ML
                    found[name] = array.astype(wanted) if wanted else array
        return found

    def initial_state(self) -> dict[str, Tensor]:
        """Return each state at zero, as Core ML makes it."""
        return {name: torch.zeros(shape) for name, (shape, _) in self.states.items()}

    def check_shape(self, spec: TensorSpec, array: "Array") -> None:
        """Refuse a shape that the model's ranges or enumerated shapes do not hold.

        Raises:
            DataError: naming the input and what it takes.
        """
        if str(array.dtype) != spec.dtype:
            raise DataError(f"input {spec.name}: {array.dtype} given, {spec.dtype} expected")
        allowed = self.flexible.get(spec.name) or (tuple((size, size) for size in spec.shape),)
        if not any(_within(array.shape, bounds) for bounds in allowed):
            expected = " or ".join(_bounds_text(bounds) for bounds in allowed)
            raise DataError(f"input {spec.name}: {list(array.shape)} given, {expected} expected")


def described(
    spec: Any, function: str | None = None
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the inputs and outputs of a Core ML specification, or of one of its functions.

    An image input takes 8-bit pixels [1, H, W, C]; a dictionary output (class probabilities) and a
    string output (the class label) have an empty shape and the types `dictionary` and `string`.
    """
    features = _features(spec, function)
    return (
        tuple(_feature(feature) for feature in features.input),
        tuple(_feature(feature) for feature in features.output),
    )


def described_function(spec: Any, function: str | None = None) -> Ends:
    """Return how values cross the border of a model, or of one of its functions."""
    features = _features(spec, function)
    both = (*features.input, *features.output)
    kinds = {feature.name: feature.type.WhichOneof("Type") for feature in both}
    arrays = {f.name: f.type.multiArrayType for f in both if kinds[f.name] == "multiArrayType"}
    outputs = [feature.name for feature in features.output]
    return Ends(
        images={
            feature.name: int(feature.type.imageType.colorSpace)
            for feature in both
            if kinds[feature.name] == "imageType"
        },
        kinds={name: kinds[name] for name in outputs},
        flexible={
            feature.name: allowed for feature in features.input if (allowed := _allowed(feature))
        },
        states={
            feature.name: _state(feature.type.stateType.arrayType) for feature in features.state
        },
        types={name: _ARRAY_TYPES[arrays[name].dataType] for name in outputs if name in arrays},
    )


def _allowed(feature: Any) -> tuple[Bounds, ...]:
    """Return the shapes that an input may have, where it may have more than one."""
    kind = feature.type.WhichOneof("Type")
    if kind == "imageType":
        return _allowed_pixels(feature.type.imageType)
    if kind != "multiArrayType":
        return ()
    array = feature.type.multiArrayType
    flexibility = array.WhichOneof("ShapeFlexibility")
    if flexibility == "enumeratedShapes":
        return tuple(
            tuple((int(size), int(size)) for size in item.shape)
            for item in array.enumeratedShapes.shapes
        )
    if flexibility == "shapeRange":
        return (tuple(map(_bound, array.shapeRange.sizeRanges)),)
    return ()


def _allowed_pixels(image: Any) -> tuple[Bounds, ...]:
    channels = _CHANNELS[image.colorSpace]
    ends = ((1, 1), (channels, channels))
    flexibility = image.WhichOneof("SizeFlexibility")
    if flexibility == "enumeratedSizes":
        sizes = [(int(item.height), int(item.width)) for item in image.enumeratedSizes.sizes]
        return tuple((ends[0], (h, h), (w, w), ends[1]) for h, w in sizes)
    if flexibility == "imageSizeRange":
        span = image.imageSizeRange
        return ((ends[0], _bound(span.heightRange), _bound(span.widthRange), ends[1]),)
    return ()


def _bound(size_range: Any) -> tuple[int, int]:
    return int(size_range.lowerBound), int(size_range.upperBound)


def _within(shape: tuple[int, ...], bounds: Bounds) -> bool:
    return len(shape) == len(bounds) and all(
        low <= size and (high < 0 or size <= high)
        for size, (low, high) in zip(shape, bounds, strict=True)
    )


def _bounds_text(bounds: Bounds) -> str:
    words = [
        str(low) if low == high else f"{low}–{high}" if high >= 0 else f"at least {low}"
        for low, high in bounds
    ]
    return f"[{', '.join(words)}]"


def _state(array: Any) -> tuple[tuple[int, ...], str]:
    return tuple(int(size) for size in array.shape), _ARRAY_TYPES[array.dataType]


def _features(spec: Any, function: str | None) -> Any:
    if spec.description.functions:
        wanted = function or spec.description.defaultFunctionName
        for candidate in spec.description.functions:
            if candidate.name == wanted:
                return candidate
    return spec.description


def _feature(feature: Any) -> TensorSpec:
    kind = feature.type.WhichOneof("Type")
    if kind == "multiArrayType":
        array = feature.type.multiArrayType
        shape = tuple(array.shape) or _default_shape(array)
        return TensorSpec(feature.name, tuple(int(n) for n in shape), _ARRAY_TYPES[array.dataType])
    if kind == "imageType":
        image = feature.type.imageType
        dtype = "float16" if image.colorSpace == GRAY_FLOAT16 else "uint8"
        shape = (1, int(image.height), int(image.width), _CHANNELS[image.colorSpace])
        return TensorSpec(feature.name, shape, dtype, "NHWC")
    if kind == "dictionaryType":
        return TensorSpec(feature.name, (), "dictionary")
    return TensorSpec(
        feature.name, (), {"stringType": "string", "int64Type": "int64"}.get(kind, kind)
    )


def _default_shape(array: Any) -> tuple[int, ...]:
    kind = array.WhichOneof("ShapeFlexibility")
    if kind == "enumeratedShapes":
        return tuple(array.enumeratedShapes.shapes[0].shape)
    if kind == "shapeRange":
        return tuple(max(int(size.lowerBound), 1) for size in array.shapeRange.sizeRanges)
    return ()
