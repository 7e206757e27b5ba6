"""Operators that move blocks of pixels into channels or the batch, and back.

Source: the operator definitions of coremltools (`iOS15` and `iOS16`, tensor_transformation); their
order of channels is that of TensorFlow, pixel_shuffle's and pixel_unshuffle's that of PyTorch.
"""

import torch
from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.shape import pad
from mobilekit.runtime.coreml_reference.ops.values import Number, integer, integers, refused


def space_to_depth(*, x: Tensor, block_size: Number) -> Tensor:
    """Move blocks of pixels into channels: [N, C, H b, W b] to [N, b b C, H, W], block-major."""
    n, c, height, width = x.shape
    b = integer(block_size)
    _check_divides("space_to_depth", "block_size", b, height, width)
    blocks = x.reshape(n, c, height // b, b, width // b, b).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, b * b * c, height // b, width // b)


def depth_to_space(*, x: Tensor, block_size: Number) -> Tensor:
    """Move channels into blocks of pixels: [N, b b C, H, W] to [N, C, H b, W b], block-major."""
    n, c, height, width = x.shape
    b = integer(block_size)
    _check_divides("depth_to_space", "block_size", b * b, c)
    blocks = x.reshape(n, b, b, c // (b * b), height, width).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, c // (b * b), height * b, width * b)


def pixel_shuffle(*, x: Tensor, upscale_factor: Number) -> Tensor:
    """Move channels into blocks of pixels: [N, C f f, H, W] to [N, C, H f, W f], channel-major."""
    n, c, height, width = x.shape
    f = integer(upscale_factor)
    _check_divides("pixel_shuffle", "upscale_factor", f * f, c)
    blocks = x.reshape(n, c // (f * f), f, f, height, width).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, c // (f * f), height * f, width * f)


def pixel_unshuffle(*, x: Tensor, downscale_factor: Number) -> Tensor:
    """Move blocks of pixels into channels: [N, C, H f, W f] to [N, C f f, H, W], channel-major."""
    n, c, height, width = x.shape
    f = integer(downscale_factor)
    _check_divides("pixel_unshuffle", "downscale_factor", f, height, width)
    blocks = x.reshape(n, c, height // f, f, width // f, f).permute(0, 1, 3, 5, 2, 4)
    return blocks.reshape(n, c * f * f, height // f, width // f)


def space_to_batch(*, x: Tensor, block_shape: Number, paddings: Number) -> Tensor:
    """Move blocks of pixels into the batch: [N, C, H, W] to [bh bw N, C, H', W'], block-major.

    `paddings` [2, 2] are zeros added before and after the height and the width.
    """
    amounts, (bh, bw) = integers(paddings), integers(block_shape)
    x = pad(x=x, pad=torch.tensor(amounts))
    n, c, height, width = x.shape
    _check_divides("space_to_batch", "block_shape", bh, height)
    _check_divides("space_to_batch", "block_shape", bw, width)
    blocks = x.reshape(n, c, height // bh, bh, width // bw, bw).permute(3, 5, 0, 1, 2, 4)
    return blocks.reshape(bh * bw * n, c, height // bh, width // bw)


def batch_to_space(*, x: Tensor, block_shape: Number, crops: Number) -> Tensor:
    """Undo `space_to_batch`; `crops` [2, 2] are taken off the height's and the width's ends."""
    (top, bottom, left, right), (bh, bw) = integers(crops), integers(block_shape)
    n, c, height, width = x.shape
    _check_divides("batch_to_space", "block_shape", bh * bw, n)
    blocks = x.reshape(bh, bw, n // (bh * bw), c, height, width).permute(2, 3, 4, 0, 5, 1)
    whole = blocks.reshape(n // (bh * bw), c, height * bh, width * bw)
    return whole[:, :, top : height * bh - bottom, left : width * bw - right]


def _check_divides(operator: str, parameter: str, divisor: int, *sizes: int) -> None:
    if divisor < 1 or any(size % divisor for size in sizes):
        raise refused(operator, parameter, divisor, f"does not divide {list(sizes)}")


TABLE: dict[str, Handler] = {
    "batch_to_space": batch_to_space,
    "depth_to_space": depth_to_space,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "space_to_batch": space_to_batch,
    "space_to_depth": space_to_depth,
}
