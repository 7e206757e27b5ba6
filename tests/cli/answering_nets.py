"""Networks whose answers one can tell by looking at the picture."""

import torch
from torch import nn


def reds() -> nn.Module:
    """Tell apart, pixel by pixel, what is mostly red, green or blue, from black: classes 1, 2, 3 and 0.

    It takes pixels as ImageNet's statistics make them, and undoes that.
    """
    net = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        net.weight.zero_()
        for channel, deviation in enumerate((0.229, 0.224, 0.225)):
            net.weight[channel + 1, channel, 0, 0] = deviation
        net.bias.copy_(torch.tensor([0.3, 0.485, 0.456, 0.406]))
    return net


def two_pictures() -> nn.Module:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, left, right):
            return self.conv(left) + self.conv(right)

    return Both()
