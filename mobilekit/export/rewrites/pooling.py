"""Adaptive max pooling, as maxima over the windows that PyTorch defines."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.export.rewrites.rule import Operand, Rule


class AdaptiveMax(nn.Module):
    """Bin i of n over a length L covers ⌊i L / n⌋ … ⌈(i + 1) L / n⌉ − 1."""

    def __init__(self, before: tuple[int, int], after: tuple[int, int]) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map [N, C, H, W] to the pooled values [N, C, H', W']; positions are not given."""
        (height, width), (rows, columns) = self.before, self.after
        if height % rows == 0 and width % columns == 0:
            window = (height // rows, width // columns)
            return (functional.max_pool2d(x, window, window),)
        return (_maxima(_maxima(x, 2, rows), 3, columns),)


def _maxima(x: Tensor, axis: int, bins: int) -> Tensor:
    length = x.shape[axis]
    parts = []
    for index in range(bins):
        start, stop = index * length // bins, -(-(index + 1) * length // bins)
        parts.append(x.narrow(axis, start, stop - start).amax(axis, keepdim=True))
    return torch.cat(parts, dim=axis)


def _adaptive(arguments: dict[str, Operand]) -> nn.Module:
    x: Tensor = arguments["self"]
    size = arguments["output_size"]
    return AdaptiveMax((int(x.shape[-2]), int(x.shape[-1])), (int(size[0]), int(size[1])))


RULES: tuple[Rule, ...] = (
    Rule(
        "adaptive-max-pool",
        frozenset({"coreml", "tflite"}),
        ("aten.adaptive_max_pool2d.default",),
        _adaptive,
    ),
)
