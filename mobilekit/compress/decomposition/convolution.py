"""How a convolution becomes two: over its channels, or over its height and width."""

from torch import Tensor, nn

from mobilekit.compress.decomposition.factors import (
    Convolution,
    check_rank,
    convolution,
    exact_weight,
    halves,
    sequence,
)


def channel_svd(layer: Convolution, rank: int) -> nn.Sequential:
    """Replace a convolution by one with `rank` filters per group, and a 1×1 that mixes them.

    The weight as a matrix `[M, N·KH·KW]`, per group, is cut at its `rank` largest singular values.
    The squared error of the weight is the sum of the squares of the others; the full rank,
    min(M, N·KH·KW), is exact. Stride, dilation and padding of any kind stay with the first.

    Args:
        layer: weight `[G·M, N, K…]`, of one to three dimensions; left as found.
        rank: per group, 1 to the full rank.

    Returns:
        Convolutions of weights `[G·rank, N, K…]` and `[G·M, rank, 1…]`; the second has the bias.

    Raises:
        RecipeError: a rank out of range.
        ModelError: weights that are not finite.
    """
    matrices = channel_unfolding(layer)
    check_rank(rank, min(matrices.shape[1:]))
    left, right = halves(matrices, rank)
    kernel = layer.weight.shape[1:]
    ones = [1] * (len(kernel) - 1)
    return sequence(
        layer,
        convolution(
            layer,
            right.reshape(-1, *kernel),
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            padding_mode=layer.padding_mode,
        ),
        convolution(layer, left.reshape(-1, rank, *ones), layer.bias),
    )


def channel_unfolding(layer: Convolution) -> Tensor:
    """Return the weight as matrices `[G, M, N·KH·KW]`, float64."""
    weight = exact_weight(layer)
    return weight.reshape(layer.groups, weight.shape[0] // layer.groups, -1)


def spatial_svd(layer: nn.Conv2d, rank: int) -> nn.Sequential:
    """Replace a convolution by a column of KH×1 and a row of 1×KW, with `rank` channels between.

    The weight as a matrix `[N·KH, M·KW]`, per group, is cut at its `rank` largest singular values
    (Jaderberg et al. 2014, scheme 2; there by optimization, here in closed form). The squared error
    of the weight is the sum of the squares of the others; the full rank, min(N·KH, M·KW), is exact.
    Each part has the stride, dilation and padding of its own direction; padding repeats or mirrors
    whole columns, and a column without bias makes zeros of zeros, so every padding mode stays exact.

    Args:
        layer: weight `[G·M, N, KH, KW]`; left as found.
        rank: per group, 1 to the full rank.

    Returns:
        Convolutions of weights `[G·rank, N, KH, 1]` and `[G·M, rank, 1, KW]`; the second has the
        bias.

    Raises:
        RecipeError: a rank out of range.
        ModelError: weights that are not finite.
    """
    matrices = spatial_unfolding(layer)
    check_rank(rank, min(matrices.shape[1:]))
    left, right = halves(matrices, rank)
    inputs, height, width = layer.weight.shape[1:]
    column = left.reshape(layer.groups, inputs, height, rank).permute(0, 3, 1, 2)
    row = right.reshape(layer.groups, rank, -1, width).transpose(1, 2)
    padding = layer.padding
    down, across = (
        (padding, padding) if isinstance(padding, str) else ((padding[0], 0), (0, padding[1]))
    )
    return sequence(
        layer,
        convolution(
            layer,
            column.reshape(-1, inputs, height, 1),
            stride=(layer.stride[0], 1),
            padding=down,
            dilation=(layer.dilation[0], 1),
            padding_mode=layer.padding_mode,
        ),
        convolution(
            layer,
            row.reshape(-1, rank, 1, width),
            layer.bias,
            stride=(1, layer.stride[1]),
            padding=across,
            dilation=(1, layer.dilation[1]),
            padding_mode=layer.padding_mode,
        ),
    )


def spatial_unfolding(layer: nn.Conv2d) -> Tensor:
    """Return the weight as matrices `[G, N·KH, M·KW]`, float64."""
    inputs, height, width = layer.weight.shape[1:]
    grouped = exact_weight(layer).reshape(layer.groups, -1, inputs, height, width)
    return grouped.permute(0, 2, 3, 1, 4).reshape(layer.groups, inputs * height, -1)
