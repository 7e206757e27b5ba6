"""The known traps of conversion, as a table: what goes wrong, where, and what is done about it."""

from typing import Literal

import msgspec

Action = Literal["rewritten", "refused", "warned", "avoided"]


class Trap(msgspec.Struct, frozen=True):
    """One way in which a converter goes wrong, silently or not."""

    name: str
    formats: tuple[str, ...]
    action: Action
    summary: str


class Finding(msgspec.Struct, frozen=True):
    """A trap met in a network: where, and what was done."""

    trap: str
    action: Action
    operator: str
    module: str
    """Path of the module that holds the operator, empty at the top."""
    source: str
    """`file.py:12`, or empty where it is not known."""
    text: str
    """All of it in one line."""


TRAPS: tuple[Trap, ...] = (
    Trap(
        "antialiased-resize", ("coreml", "tflite"), "rewritten",
        "coremltools converts antialias=True as a plain resize; LiteRT refuses. Two exact matrix products.",
    ),
    Trap(
        "fractional-nearest", ("coreml", "tflite"), "rewritten",
        "nearest resize at a ratio that is no integer picks wrong pixels in LiteRT. Exact gathers.",
    ),
    Trap(
        "bicubic-resize", ("coreml",), "rewritten",
        "Core ML has no bicubic resize. Two exact matrix products.",
    ),
    Trap(
        "scaled-bilinear", ("coreml", "tflite"), "rewritten",
        "by factors whose product with the size is rounded: coremltools gets the size wrong (38 for 30 × 1.3)"
        " or stops, LiteRT takes the ratio of the sizes. By size, or two exact matrix products.",
    ),
    Trap(
        "gelu-tanh", ("coreml",), "rewritten",
        "coremltools drops approximate='tanh'. Written out with tanh.",
    ),
    Trap(
        "celu", ("coreml",), "rewritten", "Core ML has no CELU. Written out with exp.",
    ),
    Trap(
        "channel-shuffle", ("coreml",), "rewritten",
        "coremltools does not know the operator. Reshape, transpose, reshape.",
    ),
    Trap(
        "circular-pad", ("coreml",), "rewritten",
        "coremltools has no circular padding. Slices and concatenation.",
    ),
    Trap(
        "transposed-convolution", ("tflite",), "rewritten",
        "padding that kernel and stride do not balance (k3 s2 p1) or output padding fails to legalize."
        " Computed without padding, then cut.",
    ),
    Trap(
        "adaptive-max-pool", ("coreml", "tflite"), "rewritten",
        "no converter lowers it in general. Maxima of fixed windows.",
    ),
    Trap(
        "average-divisor", ("coreml", "onnx"), "rewritten",
        "torch.onnx drops divisor_override, coremltools stops at it. The plain average, times a factor.",
    ),
    Trap(
        "ceil-mode-average", ("tflite",), "rewritten",
        "where the last window would begin beyond the image, LiteRT pads by less than nothing and the file"
        " does not load. Zeros around, the plain average, times a factor per position.",
    ),
    Trap(
        "affine-grid", ("coreml",), "rewritten",
        "coremltools has no affine_grid, and names no operator. A matrix product with fixed positions.",
    ),
    Trap(
        "random", ("coreml", "tflite", "onnx"), "refused",
        "an operator that draws numbers: no file can compute the same.",
    ),
    Trap(
        "topk", ("tflite",), "rewritten",
        "without its positions it converts to a sort, which the LiteRT interpreter cannot load. The values"
        " are gathered by position.",
    ),
    Trap(
        "sort", ("tflite",), "refused",
        "converts to an operator that the LiteRT interpreter cannot load.",
    ),
    Trap(
        "detection-post-processing", ("coreml", "tflite", "onnx"), "refused",
        "non-maximum suppression, RoI align and deformable convolution have no operator in the formats."
        " Export backbone and heads.",
    ),
    Trap(
        "fft", ("coreml", "tflite"), "refused", "Fourier transforms have no operator in the formats.",
    ),
    Trap(
        "int64-constant", ("coreml", "tflite"), "refused",
        "both narrow int64 to int32; a constant beyond it becomes another number.",
    ),
    Trap(
        "alias", ("coreml",), "rewritten",
        "coremltools stops at the alias nodes that torch.export leaves (Swin). They are removed.",
    ),
    Trap(
        "float16-overflow", ("coreml",), "warned",
        "values beyond 65,504 become infinite in float16. The operator is named.",
    ),
    Trap(
        "float16-ends", ("coreml",), "avoided",
        "from ios16 on, float16 models get float16 inputs and outputs unasked. float32 unless --float16-io.",
    ),
    Trap(
        "scale-epsilon", ("coreml",), "avoided",
        "coremltools makes a per-channel x * a + b a batch norm with an epsilon of 1e-5, which scales x by"
        " 1 - 5e-6. The pass is left out in float32; float16 does not resolve it.",
    ),
    Trap(
        "dynamic-batch-flatten", ("tflite",), "avoided",
        "torch.flatten over a free batch does not convert. LiteRT files have a fixed batch.",
    ),
)  # fmt: skip
