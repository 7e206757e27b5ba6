"""Transposed convolutions whose padding LiteRT does not take: computed whole, then cut.

With full length `(n − 1) s + d (k − 1) + 1`, padding p removes p from both ends and output padding
adds o at the far end; what lies beyond the full length gets the bias alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.export.rewrites.rule import Operand, Rule


class CutTransposed(nn.Module):
    """A transposed convolution of 1 or 2 dimensions with padding by slicing."""

    def __init__(self, apply: Callable[..., Tensor], options: dict[str, Operand]) -> None:
        super().__init__()
        self.apply_, self.options = apply, options

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Map [N, C, …] to [N, filters, …]."""
        dimensions = x.dim() - 2
        padding, extra = self.options["padding"], self.options["output_padding"]
        zeros = [0] * dimensions
        whole = self.apply_(
            x, weight, None, self.options["stride"], zeros, zeros, self.options["groups"],
            self.options["dilation"],
        )  # fmt: skip
        for index in range(dimensions):
            axis = 2 + index
            length = whole.shape[axis] - 2 * padding[index] + extra[index]
            missing = padding[index] + length - whole.shape[axis]
            if missing > 0:
                pad = [0, 0] * (dimensions - 1 - index) + [0, missing]
                whole = functional.pad(whole, pad)
            whole = whole.narrow(axis, padding[index], length)
        if bias is None:
            return whole
        return whole + bias.reshape(1, -1, *([1] * dimensions))


def _build(
    apply: Callable[..., Tensor], dimensions: int
) -> Callable[[dict[str, Operand]], nn.Module | None]:
    def build(arguments: dict[str, Operand]) -> nn.Module | None:
        kernel = arguments["weight"].shape[2:]
        options = {
            name: _each(arguments[name], dimensions)
            for name in ("stride", "padding", "output_padding", "dilation")
        }
        spans = [d * (k - 1) + 1 for d, k in zip(options["dilation"], kernel, strict=True)]
        balanced = all(
            p == 0 or s == 1 or span - s == 2 * p
            for span, s, p in zip(spans, options["stride"], options["padding"], strict=True)
        )
        if balanced and not any(options["output_padding"]):
            return None
        return CutTransposed(apply, {**options, "groups": arguments["groups"]})

    return build


def _each(value: Operand, dimensions: int) -> list[int]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return [int(v) for v in values] * (dimensions if len(values) == 1 else 1)


_TFLITE = frozenset({"tflite"})
RULES: tuple[Rule, ...] = (
    Rule(
        "transposed-convolution", _TFLITE, ("aten.conv_transpose2d.input",),
        _build(torch.conv_transpose2d, 2),
    ),
    Rule(
        "transposed-convolution", _TFLITE, ("aten.conv_transpose1d.default",),
        _build(torch.conv_transpose1d, 1),
    ),
)  # fmt: skip
