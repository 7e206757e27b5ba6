"""Small networks of a user's own, and some that go wrong."""

import torch
from torch import nn


def tiny(classes: int = 5, width: int = 8) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, width, 3, padding=1, groups=width),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


class _TwoEnds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, image, offset):
        mask = self.conv(image) + offset
        return {"mask": mask, "area": mask.mean((2, 3))}


def two_ends() -> nn.Module:
    return _TwoEnds()


def raises() -> nn.Module:
    raise RuntimeError("the disk of weights\nis not mounted")


def exits() -> nn.Module:
    raise SystemExit(3)


def no_module() -> int:
    return 7


def nan() -> nn.Module:
    net = tiny()
    with torch.no_grad():
        net[0].weight[0, 0, 0, 0] = float("nan")
    return net


def infinite() -> nn.Module:
    net = tiny()
    net[1].running_var[0] = float("inf")
    return net


class _Branch(nn.Module):
    def forward(self, x):
        if x.mean() > 0:
            return x + 1
        return x - 1


def data_dependent() -> nn.Module:
    return _Branch()


class _Text(nn.Module):
    def forward(self, x):
        return f"{x.dim()} axes, no tensor"


def text() -> nn.Module:
    return _Text()


class _Fourier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return torch.fft.fft2(self.conv(x)).abs()


def fourier() -> nn.Module:
    return _Fourier()


class _Sorted(nn.Module):
    def forward(self, x):
        return x.flatten(1).sort(dim=1)[0]


def sorted_() -> nn.Module:
    return _Sorted()


def even() -> nn.Module:
    """PyTorch warns of padding 'same' with an even kernel and an odd dilation."""
    return nn.Conv2d(3, 4, 4, padding="same", dilation=3)


class _Fold(nn.Module):
    def forward(self, x):
        columns = nn.functional.unfold(x, 3, stride=3)
        return nn.functional.fold(columns, x.shape[2:], 3, stride=3)


def fold() -> nn.Module:
    return _Fold()


def huge() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    with torch.no_grad():
        net[0].weight.mul_(1e5)
        net[2].weight.mul_(1e-5)
    return net
