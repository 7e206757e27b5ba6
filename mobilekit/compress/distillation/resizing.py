"""How a teacher's map gets the height and width of its student's."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize `[N, C, H, W]` to a height and width.

    Where it shrinks, each new value is the mean of the area that it covers; where it grows, values are
    interpolated linearly between the centres of pixels. A map of that size is returned as it is.

    Args:
        maps: shape `[N, C, H, W]`.
        size: height and width.

    Returns:
        Shape `[N, C, *size]`.

    >>> import torch
    >>> resized(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]), (1, 1))
    tensor([[[[4.]]]])
    """
    height, width = size
    small = (min(height, maps.shape[2]), min(width, maps.shape[3]))
    if small != tuple(maps.shape[2:]):
        maps = functional.adaptive_avg_pool2d(maps, small)
    if small != (height, width):
        maps = functional.interpolate(maps, (height, width), mode="bilinear", align_corners=False)
    return maps
