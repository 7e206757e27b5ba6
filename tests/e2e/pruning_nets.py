"""Small networks for pruning, and some that it must refuse or leave in part."""

import torch
from torch import nn


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3)
        self.middle = nn.Conv2d(16, 32, 3)
        self.head = nn.Conv2d(32, 4, 1)

    def features(self, x):
        return torch.relu(self.middle(torch.relu(self.stem(x))))

    def forward(self, x):
        return self.head(self.features(x))


def wide() -> nn.Module:
    return _Net()


def dead() -> nn.Module:
    """Half of the filters of the first layer are zero, their biases are not."""
    net = _Net()
    with torch.no_grad():
        net.stem.weight[::2] = 0
    return net


def nan() -> nn.Module:
    net = _Net()
    with torch.no_grad():
        net.middle.weight[3] = torch.nan
    return net


class _Deciding(_Net):
    def forward(self, x):
        x = self.features(x)
        if x.sum() > 0:
            return self.head(x)
        return self.head(-x)


def deciding() -> nn.Module:
    return _Deciding()


class _Words(_Net):
    def forward(self, x):
        return f"{self.features(x).shape}"


def words() -> nn.Module:
    return _Words()


class _Fourier(_Net):
    def forward(self, x):
        return self.head(torch.fft.fft2(self.features(x)).abs())


def fourier() -> nn.Module:
    """An operator without a rule holds the second layer."""
    return _Fourier()


class _Picking(_Net):
    def forward(self, x):
        x = super().forward(x)
        return x[x > 0].sum()


def picking() -> nn.Module:
    """The size of a tensor depends on values."""
    return _Picking()
