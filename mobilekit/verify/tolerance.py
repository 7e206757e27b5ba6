"""The one table of how far a file's outputs may be from the network's.

Errors are relative, ‖actual − reference‖₂ / ‖reference‖₂; the bound in decibels is
−20 log₁₀ of it. Lossy results are judged in decibels, as torchao does, because an absolute bound
says nothing about a network whose outputs one has not seen.

float32
    Another order of summation changes a dot product of n terms by about √n u relative, with
    u = 2⁻²⁴ ≈ 6e-8; over the depths and widths of vision networks (n up to some 10⁴, rounding
    errors adding up like a random walk over some hundred operators) that stays below
    √10⁴ · √100 · u ≈ 6e-5 in the worst case, and measured conversions lie at 1e-8 to 5e-6.
    The bound, 1e-5 = 100 dB, is the stricter of the two.
source
    The same operators of the same library: bit for bit, for which 1e-9 = 180 dB stands, since JSON
    holds no infinity.
float16
    u = 2⁻¹¹ ≈ 4.9e-4. One rounding per operator (Core ML), adding up like a random walk over
    N operators, gives about √N u: 1e-2 = 40 dB for N ≈ 400, the deepest networks in common use.
    Files that only store float16 weights (LiteRT) round each weight once, and each layer's output
    moves by about u relative; over 400 layers the same bound holds.
quantized
    No bound holds for all networks: what errors of the size of the file's own do to this one is
    measured (mobilekit.verify.quantizing). Below 1e-3, 60 dB, nothing is asked.
"""

import math

from mobilekit.core.targets import Target, format_of, quantization_of

FACTOR = {"float32": 4.0, "float16": 2.0, "quantized": 3.0}
"""Where the table's bound is missed: how many times the error that PyTorch itself has at this
precision, on the same inputs, a file may have (mobilekit.verify.conditioning). A network may
amplify rounding errors a thousandfold, and no file can then be closer to PyTorch than PyTorch is
to the exact result. 3 for quantized files: errors of quantization are not quite those of random numbers,
and may depend on one another. 4 in float32: file and network err independently against the exact result, by
√2 in the mean, and both orders of summation differ; 2 in float16, the convention of the field."""

GREATEST_EXCUSED = 0.25
"""What no ill-conditioned network excuses, 12 dB: beyond it an output says little about the network
(a random one in place of it errs by about 0.5, zeros by 1)."""

UNASKED = 1e-3
"""Error of a quantized file that needs no explanation."""

GREATEST_RELATIVE_L2 = {
    ("coreml", "float32"): 1e-5,
    ("tflite", "float32"): 1e-5,
    ("onnx", "float32"): 1e-5,
    ("source", "float32"): 1e-9,
    ("coreml", "float16"): 1e-2,
    ("tflite", "float16"): 1e-2,
}


def greatest_relative_l2(target: Target) -> float:
    """Return the bound on the relative L2 error for a target."""
    if quantization_of(target) is not None:
        return UNASKED
    return GREATEST_RELATIVE_L2[format_of(target), target.precision]


def excused(target: Target, own_error: float) -> float:
    """Return the bound for an output on which PyTorch itself errs by `own_error`, relative L2.

    >>> from mobilekit.core.targets import OnnxTarget
    >>> [excused(OnnxTarget(), error) for error in (0.0, 0.001, 9.0)]
    [1e-05, 0.004, 0.25]
    """
    if format_of(target) == "source":
        return greatest_relative_l2(target)
    if quantization_of(target) is not None:
        return max(UNASKED, FACTOR["quantized"] * own_error)
    widened = min(FACTOR[target.precision] * own_error, GREATEST_EXCUSED)
    return max(greatest_relative_l2(target), widened)


def decibels(relative_l2: float) -> float:
    """Return a bound on the relative L2 error as the least signal-to-error ratio.

    >>> round(decibels(1e-5))
    100
    """
    return -20.0 * math.log10(relative_l2)
