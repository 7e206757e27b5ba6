"""Positions between pixels: grids of resizes, and bilinear or nearest values at them."""

from typing import Any

import torch
from torch import Tensor

from mobilekit.core.errors import ArtifactError

MODES = ("DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "OFFSET_CORNERS", "UNALIGN_CORNERS")


def grid(size: float, count: int, mode: str) -> Tensor:
    """Return the `count` positions that a resize from `size` pixels samples, before clamping.

    The formulas are those of the documentation of MIL's `resize_bilinear`.

    Raises:
        ArtifactError: an unknown mode.
    """
    steps = torch.arange(count, dtype=torch.float64)
    if mode == "DEFAULT":
        spacing = (size - size / count) / (count - 1) if count > 1 else 0.0
        return steps * spacing
    if mode in {"STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"}:
        if count == 1:
            middle = (size - 1) / 2 if mode == "ALIGN_CORNERS" else 0.0
            return torch.full((1,), middle, dtype=torch.float64)
        return steps * ((size - 1) / (count - 1))
    if mode == "OFFSET_CORNERS":
        delta = max(1.0, size - 1) / count
        return 0.5 * delta + steps * delta
    if mode == "UNALIGN_CORNERS":
        spacing = size / count
        return steps * spacing + 0.5 * spacing - 0.5
    raise ArtifactError(f"sampling_mode {mode!r} is not supported; one of {', '.join(MODES)}")


def interpolated(x: Tensor, axis: int, positions: Tensor) -> Tensor:
    """Interpolate linearly along an axis at positions, clamped to the first and last element."""
    size = x.shape[axis]
    clamped = positions.clamp(0, size - 1)
    low = clamped.floor().long()
    high = (low + 1).clamp(max=size - 1)
    shape = [1] * x.dim()
    shape[axis] = -1
    weight = (clamped - low).to(torch.float32).reshape(shape)
    first, second = x.index_select(axis, low), x.index_select(axis, high)
    return first * (1 - weight) + second * weight


def nearest(x: Tensor, axis: int, positions: Tensor) -> Tensor:
    """Pick along an axis the element at or before each position, clamped to the axis."""
    index = (positions + 1e-9).floor().long().clamp(0, x.shape[axis] - 1)
    return x.index_select(axis, index)


def sampled(
    x: Tensor, columns: Tensor, rows: Tensor, *, mode: str, padding: str, value: Any = 0.0
) -> Tensor:
    """Sample x [B, C, H, W] at pixel positions [B, H', W'].

    Args:
        x: images.
        columns: x position of each output pixel.
        rows: y position of each output pixel.
        mode: `bilinear` or `nearest`.
        padding: `constant` (with `value`), `border`, `reflection` or `symmetric`.
        value: outside the image, for `constant`.
    """
    height, width = x.shape[2:]
    columns, rows = _folded(columns, width, padding), _folded(rows, height, padding)
    if mode == "nearest":
        return _at(x, rows.round().long(), columns.round().long(), padding, value)
    if mode != "bilinear":
        raise ArtifactError(f"sampling_mode {mode!r} is not supported; bilinear or nearest")
    top, left = rows.floor().long(), columns.floor().long()
    down, right = (rows - top)[:, None].float(), (columns - left)[:, None].float()
    corners = [(_at(x, top + i, left + j, padding, value), i, j) for i in (0, 1) for j in (0, 1)]
    result = torch.zeros_like(corners[0][0])
    for corner, i, j in corners:
        result = result + corner * (down if i else 1 - down) * (right if j else 1 - right)
    return result


def _folded(positions: Tensor, size: int, padding: str) -> Tensor:
    if padding == "constant":
        return positions
    if padding == "border":
        return positions.clamp(0, size - 1)
    if padding not in {"reflection", "symmetric"}:
        raise ArtifactError(f"padding_mode {padding!r} is not supported")
    low, span = (0.0, size - 1.0) if padding == "reflection" else (-0.5, float(size))
    if span == 0:
        return torch.zeros_like(positions)
    away = (positions - low).abs()
    cycle = torch.remainder(away, 2 * span)
    folded = torch.where(cycle > span, 2 * span - cycle, cycle) + low
    return folded.clamp(0, size - 1)


def _at(x: Tensor, rows: Tensor, columns: Tensor, padding: str, value: Any) -> Tensor:
    batch, channels, height, width = x.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    index = flat.reshape(batch, 1, -1).expand(-1, channels, -1)
    picked = (
        x.reshape(batch, channels, -1).gather(2, index).reshape(batch, channels, *rows.shape[1:])
    )
    if padding != "constant":
        return picked
    return torch.where(inside[:, None], picked, torch.as_tensor(value, dtype=x.dtype))
