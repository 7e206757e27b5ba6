"""What convolutions and pooling share: strides and paddings as MIL writes them."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mobilekit.core.errors import ArtifactError

Sides = list[tuple[int, int]]
"""Padding before and after, for each spatial axis."""


def integers(value: Any, count: int, default: int) -> list[int]:
    """Return a parameter as `count` integers; None gives the default, a scalar is repeated."""
    if value is None:
        return [default] * count
    if isinstance(value, Tensor):
        found = [int(item) for item in value.reshape(-1).tolist()]
    elif isinstance(value, (list, tuple)):
        found = [int(item) for item in value]
    else:
        found = [int(value)]
    return found * count if len(found) == 1 and count > 1 else found


def padding_of(
    pad_type: str, pad: Any, sizes: Sequence[int], spans: Sequence[int], strides: Sequence[int]
) -> Sides:
    """Return the padding of each axis.

    `same` keeps ⌈size / stride⌉ windows with the odd element behind, `same_lower` with it before.

    Raises:
        ArtifactError: an unknown `pad_type`.
    """
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    if pad_type == "custom":
        flat = integers(pad, 2 * len(sizes), 0)
        return [(flat[2 * i], flat[2 * i + 1]) for i in range(len(sizes))]
    if pad_type not in {"same", "same_lower"}:
        raise ArtifactError(f"pad_type {pad_type!r} is not supported by the reference executor")
    sides = []
    for size, span, stride in zip(sizes, spans, strides, strict=True):
        windows = -(-size // stride)
        total = max((windows - 1) * stride + span - size, 0)
        small = total // 2
        sides.append((small, total - small) if pad_type == "same" else (total - small, small))
    return sides


def ceiled(
    sides: Sides, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]
) -> Sides:
    """Return the padding that `ceil_mode` adds behind: a last window that begins inside counts."""
    extra = []
    for (before, after), size, span, stride in zip(sides, sizes, kernel, strides, strict=True):
        whole = size + before + after
        windows = -(-(whole - span) // stride) + 1
        if (windows - 1) * stride >= size + before:
            windows -= 1
        extra.append((0, max((windows - 1) * stride + span - whole, 0)))
    return extra
