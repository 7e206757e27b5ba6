"""A network that sees images as it was trained on, behind one that was trained on others."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Statistics = tuple[Sequence[float], Sequence[float]]
"""Mean and standard deviation per channel by which pixels in 0–1 are normalized."""


class Renormalized(nn.Module):
    """Takes images that are normalized for another network, and gives its own network its own.

    x' = (x · s + m − m') / s', with m and s of the other, m' and s' of its own.

    Args:
        network: used itself, not a copy; it takes images first, `[N, C, H, W]`.
        given: statistics of the images that come.
        own: those that the network wants.

    >>> halves = Renormalized(nn.Identity(), ([0.0], [1.0]), ([0.5], [0.5]))
    >>> halves(torch.tensor([[[[0.0, 1.0]]]]))
    tensor([[[[-1.,  1.]]]])
    """

    def __init__(self, network: nn.Module, given: Statistics, own: Statistics) -> None:
        super().__init__()
        self.network = network
        mean, deviation = (torch.tensor(each, dtype=torch.float64) for each in given)
        wanted, width = (torch.tensor(each, dtype=torch.float64) for each in own)
        self.register_buffer("scale", (deviation / width).view(-1, 1, 1), persistent=False)
        self.register_buffer("shift", ((mean - wanted) / width).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor, *others: Tensor) -> Any:
        """Return what the network says.

        Args:
            images: normalized for the other network, `[N, C, H, W]`.
            others: further inputs, such as a mask of the frame before; they stay as they are.
        """
        scale, shift = (self.get_buffer(name).to(images) for name in ("scale", "shift"))
        return self.network(images * scale + shift, *others)


def seen_alike(
    network: nn.Module, given: Statistics | None, own: Statistics | None, channels: int
) -> nn.Module:
    """Return a network that takes images as they are given; itself where it is used to them.

    Args:
        network: such as a teacher.
        given: statistics of the images; None for pixels in 0–1 as they are.
        own: those that the network wants; None likewise.
        channels: of the images.
    """
    plain = ([0.0] * channels, [1.0] * channels)
    before, after = given or plain, own or plain
    same = all(list(one) == list(two) for one, two in zip(before, after, strict=True))
    return network if same else Renormalized(network, before, after)
