"""U-Net as compared with in Table 5.1 of Berthelier's thesis: 13,395,914 parameters at width 64.

Four levels, double convolutions with bias and batch norm, bilinear upsampling, skips by concatenation
(after Ronneberger et al. 2015).
"""

import torch
from torch import Tensor, nn

from mobilekit.nets.catalog import UnetConfig

DOWN = (1, 2, 4, 8, 8)
UP = (4, 2, 1, 1)


def build(config: UnetConfig) -> nn.Module:
    """Build the network of a configuration."""
    return Unet(config)


def double_conv(channels: int, filters: int) -> nn.Sequential:
    """Return two 3×3 convolutions, each with bias, batch norm and ReLU."""
    layers: list[nn.Module] = []
    for count in (channels, filters):
        layers += [nn.Conv2d(count, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
    return nn.Sequential(*layers)


class Unet(nn.Module):
    """Image [N, C, H, W] to logits [N, classes, H, W]; H and W are multiples of 16."""

    def __init__(self, config: UnetConfig) -> None:
        super().__init__()
        down = [factor * config.width for factor in DOWN]
        up = [factor * config.width for factor in UP]
        self.encoder = nn.ModuleList(
            double_conv(channels, filters)
            for channels, filters in zip([config.channels, *down[:-1]], down, strict=True)
        )
        below = [down[-1], *up[:-1]]
        skips = down[-2::-1]
        self.decoder = nn.ModuleList(
            double_conv(low + skip, filters)
            for low, skip, filters in zip(below, skips, up, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.grow = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.head = nn.Conv2d(up[-1], config.classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits [N, classes, H, W]."""
        x, skips = image, []
        for level, block in enumerate(self.encoder):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        for block, skip in zip(self.decoder, skips[-2::-1], strict=True):
            x = block(torch.cat([skip, self.grow(x)], dim=1))
        out: Tensor = self.head(x)
        return out
