"""Small networks, each with one pattern that pruning tools get wrong."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Sagan(nn.Module):
    """Self-attention over positions (Zhang et al. 2019): queries and keys of an eighth of the width."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.query, self.key = nn.Conv2d(32, 8, 1), nn.Conv2d(32, 8, 1)
        self.value = nn.Conv2d(32, 32, 1)
        self.gamma = nn.Parameter(torch.tensor([0.5]))
        self.head = nn.Conv2d(32, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        b, c, h, w = x.shape
        query = self.query(x).view(b, -1, h * w).permute(0, 2, 1)
        key = self.key(x).view(b, -1, h * w)
        attention = torch.softmax(torch.bmm(query, key), -1)
        value = self.value(x).view(b, -1, h * w)
        out = torch.bmm(value, attention.permute(0, 2, 1)).view(b, c, h, w)
        return self.head(self.gamma * out + x)


class Gram(nn.Module):
    """Attention between channels: a Gram matrix of the map with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.mix = nn.Conv2d(16, 16, 1)
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix(torch.tanh(self.stem(x)))
        b, c, h, w = x.shape
        flat = x.view(b, c, h * w)
        gram = torch.bmm(flat, flat.transpose(1, 2)) / (h * w)
        return self.head(torch.bmm(gram, flat).view(b, c, h, w) + x)


class SpatialGate(nn.Module):
    """One map of weights for all channels, as in attention U-Nets."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.gate = nn.Sequential(nn.Conv2d(16, 8, 1), nn.ReLU(), nn.Conv2d(8, 1, 1), nn.Sigmoid())
        self.head = nn.Conv2d(16, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.stem(x))
        return self.head(x * self.gate(x))


class Cbam(nn.Module):
    """Channel gate, then a spatial gate from the mean and the maximum over channels (Woo et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.squeeze = nn.Sequential(nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1))
        self.spatial = nn.Conv2d(2, 1, 7, padding=3)
        self.after = nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        pooled = self.squeeze(F.adaptive_avg_pool2d(x, 1)) + self.squeeze(
            F.adaptive_max_pool2d(x, 1)
        )
        x = x * torch.sigmoid(pooled)
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        x = x * torch.sigmoid(self.spatial(both))
        return self.head(F.relu(self.after(x)))


class Chunk(nn.Module):
    """One convolution for both halves of a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.head = nn.Conv2d(16, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.stem(x).chunk(2, 1)
        return self.head(first * torch.sigmoid(second))


class Halves(nn.Module):
    """Two halves that go separate ways and meet again, as in YOLOv8's C2f."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.norm = nn.BatchNorm2d(32)
        self.branch = nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Conv2d(48, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(F.silu(self.norm(self.stem(x))).chunk(2, 1))
        parts.append(self.branch(parts[-1]) + parts[-1])
        return self.head(torch.cat(parts, 1))


class Shuffled(nn.Module):
    """Pixel shuffle and its inverse."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.up = nn.PixelShuffle(2)
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.down = nn.PixelUnshuffle(2)
        self.head = nn.Conv2d(32, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.down(F.relu(self.middle(self.up(F.relu(self.stem(x)))))))


class ChannelShuffle(nn.Module):
    """Grouped convolutions with a shuffle between, written with views."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, padding=1)
        self.first = nn.Conv2d(24, 24, 1, groups=3)
        self.second = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        self.third = nn.Conv2d(24, 12, 1, groups=3)
        self.head = nn.Conv2d(12, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(F.relu(self.stem(x))))
        b, c, h, w = x.shape
        x = x.view(b, 3, c // 3, h, w).transpose(1, 2).reshape(b, -1, h, w)
        return self.head(F.relu(self.third(self.second(x))))


class OptionA(nn.Module):
    """A residual whose shortcut takes every second position and pads channels with zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.conv1 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1)
        self.head = nn.Conv2d(32, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8))
        return self.head(F.relu(self.conv2(F.relu(self.conv1(x))) + short))


class Slice(nn.Module):
    """A slice whose bounds are numbers in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.first = nn.Conv2d(24, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 1)
        self.other = nn.Conv2d(8, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        first, second = self.first(x[:, :24]), self.second(x[:, 24:])
        return self.head(F.relu(self.other(first + second)))


class HardView(nn.Module):
    """A view whose size is a number in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.middle = nn.Conv2d(16, 16, 3, padding=1)
        self.hidden = nn.Linear(16 * 4, 32)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(F.relu(self.middle(F.relu(self.stem(x)))), 2)
        return self.head(F.relu(self.hidden(x.view(-1, 16 * 4))))


class GroupedTransposed(nn.Module):
    """Transposed convolutions in groups and by depth."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(16, 24, 4, stride=2, padding=1, groups=4)
        self.depth = nn.ConvTranspose2d(24, 24, 2, stride=2, groups=24)
        self.head = nn.Conv2d(24, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.depth(F.relu(self.up(F.relu(self.stem(x)))))))


class Multiplier(nn.Module):
    """A depthwise convolution with two filters a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.depth = nn.Conv2d(16, 32, 3, padding=1, groups=16)
        self.head = nn.Conv2d(32, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.depth(F.relu(self.stem(x)))))


class Generator(nn.Module):
    """A linear layer whose output becomes a map, as in DCGAN."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(10, 16 * 4 * 4)
        self.norm = nn.BatchNorm2d(16)
        self.up = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
        self.head = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x).view(x.shape[0], -1, 4, 4)
        return self.head(F.relu(self.up(F.relu(self.norm(x)))))


class Shared(nn.Module):
    """One convolution used twice, at different places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.twice = nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.head(F.relu(self.twice(F.relu(self.twice(x)))))


class DictOutputs(nn.Module):
    """Two heads in a dictionary, one of them in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.middle = nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 5, 1)
        self.aux = nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = F.relu(self.stem(x))
        return {"aux": self.aux(x), "out": self.head(F.relu(self.middle(x)))}


class Gated(nn.Module):
    """Squeeze and excite, with a shift that gives zero filters a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.down, self.up = nn.Linear(16, 4), nn.Linear(4, 16)
        self.head = nn.Conv2d(16, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(self.stem(x)))
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
        return self.head(x * gate[:, :, None, None])


class Attention(nn.Module):
    """Multi-head attention with its own projections, sizes taken from attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.width = 4, 8
        self.embed = nn.Conv2d(3, 32, 4, stride=4)
        self.place = nn.Parameter(torch.randn(1, 64, 32) * 0.1)
        self.norm = nn.LayerNorm(32)
        self.qkv = nn.Linear(32, 96)
        self.out = nn.Linear(32, 32)
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2) + self.place
        b, t, _ = x.shape
        qkv = self.qkv(self.norm(x)).reshape(b, t, 3, self.heads, self.width).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        attention = torch.softmax(q @ k.transpose(-2, -1) * self.width**-0.5, -1)
        x = x + self.out((attention @ v).transpose(1, 2).reshape(b, t, -1))
        x = x + self.down(F.gelu(self.up(x)))
        return self.head(x.mean(1))


class Encoder(nn.Module):
    """PyTorch's own multi-head attention, without a norm before it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 32, 8, stride=8)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).reshape(-1, 32, 16).permute(0, 2, 1)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        x = x + self.down(F.relu(self.up(x)))
        return self.head(x.mean(1))


class Dense(nn.Module):
    """A dense block with a pre-activation norm and a PReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, padding=1)
        self.norm1, self.conv1 = nn.BatchNorm2d(12), nn.Conv2d(12, 6, 3, padding=1)
        self.norm2, self.conv2 = nn.BatchNorm2d(18), nn.Conv2d(18, 6, 3, padding=1)
        self.act = nn.PReLU(24)
        self.head = nn.Conv2d(24, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.cat([x, self.conv1(F.relu(self.norm1(x)))], 1)
        x = torch.cat([x, self.conv2(F.relu(self.norm2(x)))], 1)
        return self.head(F.interpolate(self.act(x), scale_factor=2, mode="bilinear"))


class Normed(nn.Module):
    """Group and instance norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.group = nn.GroupNorm(4, 16)
        self.middle = nn.Conv2d(16, 16, 3, padding=1)
        self.instance = nn.InstanceNorm2d(16, affine=True)
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.instance(self.middle(F.relu(self.group(self.stem(x))))))


class Volume(nn.Module):
    """Three-dimensional and one-dimensional convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(2, 8, 3, padding=1)
        self.norm = nn.BatchNorm3d(8)
        self.second = nn.Conv3d(8, 8, 3, padding=1)
        self.line = nn.Conv1d(8, 12, 3, padding=1)
        self.head = nn.Conv1d(12, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool3d(F.relu(self.second(F.relu(self.norm(self.first(x))))), (2, 2, 1))
        return self.head(F.relu(self.line(x.flatten(2))))


class Mixer(nn.Module):
    """Linear layers over positions as well as over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 8, stride=8)
        self.tokens = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))
        self.channels = nn.Sequential(nn.Linear(16, 40), nn.GELU(), nn.Linear(40, 16))
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2)
        x = x + self.tokens(x)
        x = x.transpose(1, 2)
        return self.head((x + self.channels(x)).mean(1))


IMAGE = (1, 3, 32, 32)
PATTERNS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "sagan": (Sagan, (1, 3, 8, 8)),
    "gram": (Gram, (1, 3, 8, 8)),
    "spatial gate": (SpatialGate, IMAGE),
    "cbam": (Cbam, IMAGE),
    "chunk": (Chunk, IMAGE),
    "halves": (Halves, IMAGE),
    "pixel shuffle": (Shuffled, IMAGE),
    "channel shuffle": (ChannelShuffle, IMAGE),
    "option A": (OptionA, IMAGE),
    "slice": (Slice, IMAGE),
    "hard-coded view": (HardView, IMAGE),
    "grouped transposed": (GroupedTransposed, IMAGE),
    "depth multiplier": (Multiplier, IMAGE),
    "linear to map": (Generator, (1, 10)),
    "shared convolution": (Shared, IMAGE),
    "dict outputs": (DictOutputs, IMAGE),
    "squeeze and excite": (Gated, IMAGE),
    "attention": (Attention, IMAGE),
    "multi-head attention": (Encoder, IMAGE),
    "dense": (Dense, IMAGE),
    "norms": (Normed, IMAGE),
    "volume": (Volume, (1, 2, 4, 8, 8)),
    "mixer": (Mixer, IMAGE),
}
