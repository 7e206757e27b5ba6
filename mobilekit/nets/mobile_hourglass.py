"""Mobile-Hourglass: real-time face parsing (Berthelier's thesis, chapter 5; Yan et al., ISMAR 2018).

One hourglass of depth 4 with inverted residual blocks, kept at the input's resolution outside.
The stem is the one that reproduces Table 5.1's four parameter counts; the thesis does not print it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.nets.catalog import MobileHourglassConfig

DEPTH = 4
STEM_WIDTH = 64
DENSE_LAYERS = 4
DENSE_GROWTH = 8


def build(config: MobileHourglassConfig) -> nn.Module:
    """Build the network of a configuration."""
    return MobileHourglass(config)


def conv_norm(channels: int, filters: int, kernel: int) -> nn.Sequential:
    """Return convolution (no bias, same size), batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    )


class InvertedResidual(nn.Module):
    """1×1 expansion, 3×3 depthwise, linear 1×1 projection, identity shortcut (Sandler et al. 2018)."""

    def __init__(self, features: int, expansion: int) -> None:
        super().__init__()
        hidden = features * expansion
        self.block = nn.Sequential(
            nn.Conv2d(features, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, features, 1, bias=False),
            nn.BatchNorm2d(features),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, f, H, W] to the same shape."""
        out: Tensor = x + self.block(x)
        return out


class Hourglass(nn.Module):
    """A recursive hourglass (Newell et al. 2016) with one block per stage and per skip."""

    def __init__(self, depth: int, features: int, expansion: int) -> None:
        super().__init__()
        self.up = InvertedResidual(features, expansion)
        self.low1 = InvertedResidual(features, expansion)
        self.low2: nn.Module = (
            Hourglass(depth - 1, features, expansion)
            if depth > 1
            else InvertedResidual(features, expansion)
        )
        self.low3 = InvertedResidual(features, expansion)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, f, H, W] to the same shape; H and W are multiples of 2 ** depth."""
        low = self.low3(self.low2(self.low1(functional.max_pool2d(x, 2))))
        out: Tensor = self.up(x) + functional.interpolate(low, scale_factor=2.0, mode="nearest")
        return out


class DenseTail(nn.Module):
    """Four layers of batch norm, ReLU and 3×3 convolution, each concatenated to its input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(features + index * DENSE_GROWTH),
                nn.ReLU(),
                nn.Conv2d(features + index * DENSE_GROWTH, DENSE_GROWTH, 3, padding=1, bias=False),
            )
            for index in range(DENSE_LAYERS)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, f, H, W] to [N, f + 32, H, W]."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class MobileHourglass(nn.Module):
    """Face parsing: image [N, 3, H, W] (and previous mask [N, K, H, W]) to logits [N, classes, H, W]."""

    def __init__(self, config: MobileHourglassConfig) -> None:
        super().__init__()
        features, channels = config.features, 3 + config.previous_mask
        if config.stem == "thesis":
            stem = [
                conv_norm(channels, STEM_WIDTH, 7),
                conv_norm(STEM_WIDTH, STEM_WIDTH, 3),
                conv_norm(STEM_WIDTH, features, 3),
            ]
        else:
            stem = [conv_norm(channels, features, 3)]
        self.stem = nn.Sequential(*stem)
        self.hourglass = Hourglass(DEPTH, features, config.expansion)
        self.tail = InvertedResidual(features, config.expansion)
        self.dense = DenseTail(features) if config.dense_tail else None
        width = features + (DENSE_LAYERS * DENSE_GROWTH if config.dense_tail else 0)
        self.head = nn.Conv2d(width, config.classes, 1)

    def forward(self, image: Tensor, previous_mask: Tensor | None = None) -> Tensor:
        """Return logits [N, classes, H, W]; H and W are multiples of 16."""
        x = image if previous_mask is None else torch.cat([image, previous_mask], dim=1)
        x = self.tail(self.hourglass(self.stem(x)))
        if self.dense is not None:
            x = self.dense(x)
        out: Tensor = self.head(x)
        return out
