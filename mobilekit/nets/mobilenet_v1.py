"""MobileNetV1 (Howard et al. 2017) with global pooling, FC 512 and FC classes.

3,758,794 parameters for 10 classes with the running statistics (Table 5.8 of Hubens' thesis).
"""

from torch import nn

from mobilekit.nets.catalog import MobilenetV1Config

STEM = 32
LAYERS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
HIDDEN = 512


def build(config: MobilenetV1Config) -> nn.Module:
    """Build the network: image [N, 3, S, S] to logits [N, classes]."""
    channels = max(round(STEM * config.width), 1)
    layers = _conv_norm(3, channels, 3, 2)
    for count, stride in LAYERS:
        filters = max(round(count * config.width), 1)
        layers += _conv_norm(channels, channels, 3, stride, groups=channels)
        layers += _conv_norm(channels, filters, 1, 1)
        channels = filters
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, config.classes),
    )


def _conv_norm(
    channels: int, filters: int, kernel: int, stride: int, groups: int = 1
) -> list[nn.Module]:
    convolution = nn.Conv2d(
        channels, filters, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(filters), nn.ReLU6()]
