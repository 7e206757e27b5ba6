"""VGG11 and VGG16 as the theses count them: bias, no batch norm, global pooling, FC 512, FC classes.

VGG16 has 14,982,474 parameters for 10 classes (Table 5.7 of Hubens' thesis).
"""

from torch import nn

from mobilekit.nets.catalog import VggConfig

STAGES = {
    11: ((1,), (2,), (4, 4), (8, 8), (8, 8)),
    16: ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8)),
}
HIDDEN = 512


def build(config: VggConfig) -> nn.Module:
    """Build the network: image [N, 3, S, S] to logits [N, classes]."""
    layers: list[nn.Module] = []
    channels = 3
    for stage in STAGES[config.depth]:
        for factor in stage:
            filters = factor * config.width
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, config.classes),
    )
