"""Which operators of a `.tflite` file the kernels of a profile belong to, with shapes and types.

LiteRT numbers the operators that its own kernels run; XNNPACK runs kernels of its own names in the
order of the file's operators, folds some operators into others, and takes several kernels for some.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mobilekit.runtime.tflite import Operator, TfliteRunner

KERNELS: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (prefix, frozenset(kinds.split()))
    for prefix, kinds in (
        ("Convolution (", "CONV_2D DEPTHWISE_CONV_2D"),
        ("Deconvolution (", "TRANSPOSE_CONV"),
        ("Fully Connected (", "FULLY_CONNECTED CONV_2D"),  # a 1×1 convolution is one
        ("Batch Matrix Multiply (", "BATCH_MATMUL"),
        ("Add (", "ADD"),
        ("Subtract (", "SUB"),
        ("Multiply (", "MUL"),
        ("Divide (", "DIV"),
        ("Maximum (", "MAXIMUM"),
        ("Minimum (", "MINIMUM"),
        ("Squared Difference (", "SQUARED_DIFFERENCE"),
        ("Mean (", "MEAN"),
        ("Sum (", "SUM"),
        ("Reduce Max", "REDUCE_MAX"),
        ("Reduce Min", "REDUCE_MIN"),
        ("Transpose (", "TRANSPOSE"),
        ("HardSwish (", "HARD_SWISH"),
        ("Sigmoid (", "LOGISTIC"),
        ("Tanh (", "TANH"),
        ("GELU (", "GELU"),
        ("Approximate GELU (", "GELU"),
        ("ELU (", "ELU"),
        ("Leaky ReLU (", "LEAKY_RELU"),
        ("PReLU (", "PRELU"),
        ("Clamp (", "RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1"),
        ("Softmax (", "SOFTMAX"),
        ("Max Pooling (", "MAX_POOL_2D"),
        ("Average Pooling (", "AVERAGE_POOL_2D"),
        ("Global Average Pooling (", "AVERAGE_POOL_2D MEAN"),
        ("Resize Bilinear (", "RESIZE_BILINEAR"),
        ("Constant Pad (", "PAD PADV2"),
        ("Copy (", "RESHAPE CONCATENATION SPLIT EXPAND_DIMS SQUEEZE"),
        ("Slice (", "SLICE STRIDED_SLICE SPLIT"),
        ("Exp (", "EXP"),
        ("Log (", "LOG"),
        ("Abs (", "ABS"),
        ("Negate (", "NEG"),
        ("Square (", "SQUARE"),
        ("Square Root (", "SQRT"),
        ("Reciprocal Square Root (", "RSQRT"),
        ("Floor (", "FLOOR"),
        ("Ceiling (", "CEIL"),
        ("Sine (", "SIN"),
        ("Cosine (", "COS"),
        ("Convert (", "CAST QUANTIZE DEQUANTIZE"),
        ("Depth To Space (", "DEPTH_TO_SPACE"),
    )
)
"""XNNPACK's kernels, by the beginning of their names, and the operators that they may belong to."""
FOLDED = frozenset(
    [
        "RELU",
        "RELU6",
        "RELU_N1_TO_1",
        "RELU_0_TO_1",
        "PAD",
        "PADV2",
        "RESHAPE",
        "EXPAND_DIMS",
        "SQUEEZE",
        "DEQUANTIZE",
        "TRANSPOSE",
        "CONCATENATION",
        "SPLIT",
    ]
)
"""Operators that XNNPACK folds into others or does without a kernel."""
REPEATED = frozenset({"CONCATENATION", "SPLIT"})
"""Operators that take one kernel per part."""

MADE = "Convert (NC, F32, QD"
"""Beginning of kernels that belong to no operator: activations become integers at run time."""


@dataclass(frozen=True)
class Kernel:
    """One timed kernel of a run."""

    name: str
    delegated: bool
    index: int
    """Of the operator in the file, where LiteRT itself ran it; of the kernel in its back end otherwise."""


@dataclass(frozen=True)
class Described:
    """What a kernel's operator takes and gives; nothing of it where the operator is not known."""

    name: str = ""
    """Its type and index in the file, such as `ADD 2`."""
    shapes: tuple[tuple[int, ...], ...] = ()
    dtype: str = ""


def describe(path: Path, kernels: Sequence[Kernel]) -> tuple[Described, ...]:
    """Find the operator of each kernel.

    Raises:
        ArtifactError: LiteRT cannot run the file.
    """
    runner = TfliteRunner(path, delegate=False)
    operators, tensors = runner.operators(), runner.tensors()
    found = []
    for operator in matched(operators, kernels):
        if operator is None:
            found.append(Described())
            continue
        read = [tensors[index] for index in operator.inputs if index in tensors]
        shapes = tuple(spec.shape for spec in read)
        name = f"{operator.kind} {operator.index}"
        found.append(Described(name, shapes, tensors[operator.outputs[0]].dtype))
    return tuple(found)


def matched(
    operators: Sequence[Operator], kernels: Iterable[Kernel]
) -> tuple[Operator | None, ...]:
    """Give each kernel its operator; from the first delegated one that fits none on, they have none."""
    kernels = tuple(kernels)
    fallen = {kernel.index for kernel in kernels if not kernel.delegated}
    rest = [operator for operator in operators if operator.index not in fallen]
    known = {operator.index: operator for operator in operators}
    found: list[Operator | None] = []
    cursor = 0
    for kernel in kernels:
        if not kernel.delegated:
            found.append(known.get(kernel.index))
            continue
        position = _position(rest, cursor, kernel.name)
        if position is None and kernel.name.startswith(MADE):
            found.append(None)
            continue
        found.append(rest[position] if position is not None else None)
        cursor = len(rest) if position is None else position + 1
    return tuple(found)


def _position(operators: Sequence[Operator], cursor: int, kernel: str) -> int | None:
    """Return the place of the kernel's operator, at most behind some that need no kernel."""
    kinds = next((kinds for prefix, kinds in KERNELS if kernel.startswith(prefix)), frozenset())
    for position in range(cursor, len(operators)):
        if operators[position].kind in kinds:
            return position
        if operators[position].kind not in FOLDED:
            break
    if 0 < cursor <= len(operators):
        before = operators[cursor - 1].kind
        if before in REPEATED and before in kinds:
            return cursor - 1
    return None
