"""Resizes: antialiased and bicubic ones as matrix products, nearest ones at odd ratios as gathers.

A resize of fixed sizes is linear and separable: `y = A x Bᵀ` per channel. PyTorch's own operator,
applied to an identity matrix, gives A and B.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.export.rewrites.rule import Operand, Rule

_ATEN = torch.ops.aten


class SeparableResize(nn.Module):
    """`A x Bᵀ` for x [N, C, H, W], A [H', H], B [W', W]."""

    rows: Tensor
    columns: Tensor

    def __init__(self, rows: Tensor, columns: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns.t().contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C, H', W']."""
        return torch.matmul(self.rows, torch.matmul(x, self.columns))


class Gather(nn.Module):
    """Pick rows and columns of x [N, C, H, W]."""

    rows: Tensor
    columns: Tensor

    def __init__(self, rows: Tensor, columns: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C, len(rows), len(columns)]."""
        return torch.index_select(torch.index_select(x, 2, self.rows), 3, self.columns)


class SizedBilinear(nn.Module):
    """A bilinear resize by its size alone."""

    def __init__(self, size: tuple[int, int], *, corners: bool) -> None:
        super().__init__()
        self.size, self.corners = size, corners

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C, H', W']."""
        return functional.interpolate(
            x, self.size, mode="bilinear", align_corners=self.corners or None
        )


class MatrixResize(nn.Module):
    """`x Bᵀ` for x [N, C, W], B [W', W]."""

    columns: Tensor

    def __init__(self, columns: Tensor) -> None:
        super().__init__()
        self.register_buffer("columns", columns.t().contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C, W']."""
        return torch.matmul(x, self.columns)


def sizes(arguments: dict[str, Operand]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the (height, width) before and after the resize."""
    x: Tensor = arguments.get("input", arguments.get("self"))  # type: ignore[assignment]
    before = int(x.shape[2]), int(x.shape[3])
    size, factors = arguments.get("output_size"), arguments.get("scale_factors")
    if size is not None:
        return before, (int(size[0]), int(size[1]))
    assert factors is not None  # noqa: S101  the schema asks for one of the two
    return before, (int(before[0] * factors[0]), int(before[1] * factors[1]))


def _scales(arguments: dict[str, Operand]) -> tuple[float | None, float | None]:
    factors = arguments.get("scale_factors")
    return (None, None) if factors is None else (float(factors[0]), float(factors[1]))


def matrix(apply: Callable[[Tensor], Tensor], size: int) -> Tensor:
    """Return the matrix [size', size] of a resize along the height.

    Args:
        apply: resizes [1, 1, size, size] to [1, 1, size', size].
        size: length before the resize.
    """
    return apply(torch.eye(size).reshape(1, 1, size, size))[0, 0].contiguous()


def _linear(operator: Callable[..., Tensor]) -> Callable[[dict[str, Operand]], nn.Module]:
    def build(arguments: dict[str, Operand]) -> nn.Module:
        (height, width), (rows, columns) = sizes(arguments)
        down, across = _scales(arguments)
        corners = bool(arguments["align_corners"])
        first = matrix(lambda x: operator(x, [rows, height], corners, down, None), height)
        second = matrix(lambda x: operator(x, [columns, width], corners, across, None), width)
        return SeparableResize(first, second)

    return build


def _by_factors(*, sized: bool) -> Callable[[dict[str, Operand]], nn.Module | None]:
    """Build what takes the place of a bilinear resize by factors.

    PyTorch divides positions by the factor, LiteRT by the ratio of the sizes, which is another one
    where a size was rounded down; coremltools rounds sizes down after a multiplication in float32, and
    so makes 38 of 30 × 1.3.

    Args:
        sized: the format gets sizes wrong as well, and wants them said.
    """

    def build(arguments: dict[str, Operand]) -> nn.Module | None:
        factors = _scales(arguments)
        if None in factors:
            return None
        before, after = sizes(arguments)
        corners = bool(arguments["align_corners"])
        if not corners and not all(map(_is_ratio, factors, before, after)):
            return _linear(_ATEN.upsample_bilinear2d.default)(arguments)
        if sized and not all(map(_is_plain, factors, before, after)):
            return SizedBilinear(after, corners=corners)
        return None

    return build


def _by_factor(arguments: dict[str, Operand]) -> nn.Module | None:
    """Build what takes the place of a linear resize of [N, C, W] by a factor."""
    factors = arguments.get("scale_factors")
    width = int(arguments["input"].shape[2])
    if factors is None or _is_plain(factors[0], width, int(width * factors[0])):
        return None
    corners, new = bool(arguments["align_corners"]), int(width * factors[0])
    apply = _ATEN.upsample_linear1d.default
    identity = torch.eye(width).reshape(1, width, width)
    return MatrixResize(apply(identity, [new], corners, float(factors[0]))[0].t().contiguous())


def _is_ratio(factor: float | None, before: int, after: int) -> bool:
    return factor is not None and abs(before * factor - after) < _ROUNDING * after


def _is_plain(factor: float | None, before: int, after: int) -> bool:
    """Say whether float32 holds the factor, and the new size is a whole number without rounding."""
    return factor is not None and (factor * 64).is_integer() and before * factor == after


def _nearest(operator: Callable[..., Tensor]) -> Callable[[dict[str, Operand]], nn.Module | None]:
    def build(arguments: dict[str, Operand]) -> nn.Module | None:
        (height, width), (rows, columns) = sizes(arguments)
        down, across = _scales(arguments)
        whole = rows % height == 0 and columns % width == 0
        exact_factors = all(factor is None or factor == int(factor) for factor in (down, across))
        if whole and exact_factors:
            return None
        return Gather(
            _positions(operator, height, rows, down), _positions(operator, width, columns, across)
        )

    return build


def _positions(
    operator: Callable[..., Tensor], size: int, new: int, factor: float | None
) -> Tensor:
    ramp = torch.arange(size, dtype=torch.float64).reshape(1, 1, size, 1)
    picked: Tensor = operator(ramp, [new, 1], factor, None)
    return picked.reshape(-1).to(torch.int64)


_ROUNDING = 1e-9
_PHONES = frozenset({"coreml", "tflite"})
_TFLITE = frozenset({"tflite"})
_COREML = frozenset({"coreml"})

RULES: tuple[Rule, ...] = (
    Rule(
        "antialiased-resize", _PHONES,
        ("aten._upsample_bilinear2d_aa.vec", "aten._upsample_bilinear2d_aa.default"),
        _linear(_ATEN._upsample_bilinear2d_aa.default),
    ),
    Rule(
        "antialiased-resize", _PHONES,
        ("aten._upsample_bicubic2d_aa.vec", "aten._upsample_bicubic2d_aa.default"),
        _linear(_ATEN._upsample_bicubic2d_aa.default),
    ),
    Rule(
        "bicubic-resize", _COREML,
        ("aten.upsample_bicubic2d.vec", "aten.upsample_bicubic2d.default"),
        _linear(_ATEN.upsample_bicubic2d.default),
    ),
    Rule("scaled-bilinear", _COREML, ("aten.upsample_bilinear2d.vec",), _by_factors(sized=True)),
    Rule("scaled-bilinear", _TFLITE, ("aten.upsample_bilinear2d.vec",), _by_factors(sized=False)),
    Rule("scaled-bilinear", _COREML, ("aten.upsample_linear1d.vec",), _by_factor),
    Rule(
        "fractional-nearest", _PHONES,
        ("aten.upsample_nearest2d.vec", "aten.upsample_nearest2d.default"),
        _nearest(_ATEN.upsample_nearest2d.default),
    ),
    Rule(
        "fractional-nearest", _PHONES,
        ("aten._upsample_nearest_exact2d.vec", "aten._upsample_nearest_exact2d.default"),
        _nearest(_ATEN._upsample_nearest_exact2d.default),
    ),
)  # fmt: skip
