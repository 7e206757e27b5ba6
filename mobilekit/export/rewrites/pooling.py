"""Adaptive max pooling, as maxima over PyTorch's windows; averages with a factor of their own."""

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


class DividedAverage(nn.Module):
    """Sums over windows, with zeros around, times a factor per position."""

    factor: Tensor

    def __init__(self, options: dict[str, Operand], pad: list[int], factor: Tensor) -> None:
        super().__init__()
        self.options, self.pad = options, pad
        self.register_buffer("factor", factor)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, C, H', W']."""
        padded = functional.pad(x, self.pad)
        return functional.avg_pool2d(padded, **self.options) * self.factor


def _with_divisor(arguments: dict[str, Operand]) -> nn.Module | None:
    return None if arguments["divisor_override"] is None else _divided(arguments)


def _with_dropped_window(arguments: dict[str, Operand]) -> nn.Module | None:
    """Catch ceil-mode where PyTorch drops a last window that would begin beyond the image."""
    if not arguments["ceil_mode"]:
        return None
    kernel, padding = _both(arguments["kernel_size"]), _both(arguments["padding"])
    stride = _both(arguments["stride"] or kernel)
    lengths = [int(length) for length in arguments["self"].shape[-2:]]
    dropped = any(
        -(-(length + 2 * before - size) // step) * step >= length + before
        for length, before, size, step in zip(lengths, padding, kernel, stride, strict=True)
    )
    return _divided(arguments) if dropped else None


def _divided(arguments: dict[str, Operand]) -> nn.Module:
    """Build any average pooling.

    The factor is measured: PyTorch's own average of ones over the plain one of the padded ones.
    """
    x: Tensor = arguments["self"]
    kernel, padding = _both(arguments["kernel_size"]), _both(arguments["padding"])
    stride = _both(arguments["stride"] or kernel)
    ones = torch.ones(1, 1, int(x.shape[-2]), int(x.shape[-1]))
    options: dict[str, Operand] = {"kernel_size": kernel, "stride": stride}
    wanted = functional.avg_pool2d(
        ones, **options, padding=padding, ceil_mode=bool(arguments["ceil_mode"]),
        count_include_pad=bool(arguments["count_include_pad"]),
        divisor_override=arguments["divisor_override"],
    )  # fmt: skip
    ends = [
        max((count - 1) * step + size - length - before, 0)
        for count, step, size, length, before in zip(
            wanted.shape[2:], stride, kernel, ones.shape[2:], padding, strict=True
        )
    ]
    pad = [padding[1], ends[1], padding[0], ends[0]]
    found = functional.avg_pool2d(functional.pad(ones, pad), **options)
    rows, columns = wanted.shape[2:]
    return DividedAverage(options, pad, wanted / found[:, :, :rows, :columns])


def _both(value: Operand) -> list[int]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return [int(one) for one in values] * (2 if len(values) == 1 else 1)


RULES: tuple[Rule, ...] = (
    Rule(
        "adaptive-max-pool",
        frozenset({"coreml", "tflite"}),
        ("aten.adaptive_max_pool2d.default",),
        _adaptive,
    ),
    Rule(
        "average-divisor",
        frozenset({"coreml", "onnx"}),
        ("aten.avg_pool2d.default",),
        _with_divisor,
    ),
    Rule(
        "ceil-mode-average",
        frozenset({"tflite"}),
        ("aten.avg_pool2d.default",),
        _with_dropped_window,
    ),
)
