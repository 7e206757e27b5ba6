"""What an image looks like that moved along a line while it was taken."""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

_STEPS = 8
"""Places along the line per pixel."""


def along_line(image: Tensor, length: int, angle: float) -> Tensor:
    """Blur along a line; the edge is repeated.

    Args:
        image: `[C, H, W]`.
        length: of the way, in pixels, odd.
        angle: of the line, in radians; 0 is across, π/2 down.
    """
    half = length // 2
    kernel = line(length, angle).to(image)
    channels = image.shape[0]
    padded = pad(image[None], (half, half, half, half), mode="replicate")
    return conv2d(padded, kernel.expand(channels, 1, length, length), groups=channels)[0]


def line(length: int, angle: float) -> Tensor:
    """Draw a line through the middle of a kernel, float64 `[length, length]` with sum 1.

    >>> line(3, 0.0).round(decimals=2)
    tensor([[0.0000, 0.0000, 0.0000],
            [0.2600, 0.4700, 0.2600],
            [0.0000, 0.0000, 0.0000]], dtype=torch.float64)
    """
    half = length // 2
    way = torch.linspace(-half, half, _STEPS * 2 * half + 1, dtype=torch.float64)
    places = torch.arange(length, dtype=torch.float64) - half
    # Each place gives its weight to the four pixels around it, as bilinear interpolation takes it.
    down = (1 - (way * math.sin(angle) - places[:, None]).abs()).clamp(min=0)
    across = (1 - (way * math.cos(angle) - places[:, None]).abs()).clamp(min=0)
    kernel = down @ across.T
    return kernel / kernel.sum()
