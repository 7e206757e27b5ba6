"""SegNet (Badrinarayanan et al. 2015) as compared with in Table 5.1: 29,448,778 parameters at width 64.

A VGG16-BN encoder and its mirror. The original upsamples with the encoder's max-pool positions,
an operator that neither phone format has; here the decoder upsamples to the nearest neighbour,
which changes no parameter count. Said plainly because results with trained original weights differ.
"""

from torch import Tensor, nn

from mobilekit.nets.catalog import SegnetConfig

STAGES = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))


def build(config: SegnetConfig) -> nn.Module:
    """Build the network of a configuration."""
    return Segnet(config)


def conv_norm(channels: int, filters: int) -> list[nn.Module]:
    """Return a 3×3 convolution with bias, batch norm and ReLU."""
    return [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]


class Segnet(nn.Module):
    """Image [N, C, H, W] to logits [N, classes, H, W]; H and W are multiples of 32."""

    def __init__(self, config: SegnetConfig) -> None:
        super().__init__()
        encoder: list[nn.Module] = []
        decoder: list[nn.Module] = []
        channels = config.channels
        pairs = []
        for stage in STAGES:
            for factor in stage:
                filters = factor * config.width
                encoder += conv_norm(channels, filters)
                pairs.append((filters, channels))
                channels = filters
            encoder.append(nn.MaxPool2d(2))
        for stage in reversed(STAGES):
            decoder.append(nn.Upsample(scale_factor=2, mode="nearest"))
            for _ in stage:
                source, target = pairs.pop()
                if pairs:
                    decoder += conv_norm(source, target)
                else:
                    decoder.append(nn.Conv2d(source, config.classes, 3, padding=1))
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*decoder)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits [N, classes, H, W]."""
        out: Tensor = self.decoder(self.encoder(image))
        return out
