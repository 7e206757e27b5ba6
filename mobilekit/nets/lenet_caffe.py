"""LeNet as Caffe defines it: 431,080 parameters for 28 × 28 digits (Table 3.1 of Berthelier's thesis)."""

from torch import nn

from mobilekit.nets.catalog import LenetCaffeConfig


def build(config: LenetCaffeConfig) -> nn.Module:
    """Build the network: image [N, C, S, S] to logits [N, classes]."""
    side = ((config.size - 4) // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(config.channels, 20, 5),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(50 * side * side, 500),
        nn.ReLU(),
        nn.Linear(500, config.classes),
    )
