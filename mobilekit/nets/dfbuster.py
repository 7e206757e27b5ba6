"""DFBuster: deepfake detection (Hubens' thesis, chapter 6; "Fake-buster", SPIE 2021).

A ResNet-D of depthwise bottlenecks (layers 2-2-2-2), squeeze-and-excitation and one simple
self-attention after stage 1. The attention is written in a form that float16 can hold: the Gram
matrix is divided by H·W and gamma stands for gamma·H·W of the original.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from mobilekit.core.errors import ModelError
from mobilekit.nets.catalog import DfbusterConfig

WIDTHS = (64, 128, 256, 512)
STEM_WIDTH = 32
BLOCKS_PER_STAGE = 2


def build(config: DfbusterConfig) -> nn.Module:
    """Build the network of a configuration.

    Raises:
        ModelError: an attention map without self-attention.
    """
    if config.attention_map and not config.self_attention:
        raise ModelError("dfbuster: attention_map needs self_attention = true")
    return Dfbuster(config)


def conv_norm(
    channels: int, filters: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Return a convolution without bias and its batch norm."""
    convolution = nn.Conv2d(
        channels, filters, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(filters)]


class SqueezeExcite(nn.Module):
    """Channel gate; the reduction by 16 is rounded up to a multiple of 8, as fastai does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = max(8 * math.ceil((channels // 16) / 8), 8)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, reduced, 1),
            nn.ReLU(),
            nn.Conv2d(reduced, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel of [N, C, H, W] by a number in 0–1."""
        out: Tensor = x * self.gate(x)
        return out


class SimpleSelfAttention(nn.Module):
    """`gamma · (X Xᵀ / HW) (W X) + X` with X = [N, C, HW]; no softmax.

    The original multiplies by gamma without dividing by HW, which overflows float16; a checkpoint
    of that form loads with gamma · HW. `attention` of the last call's W X is the map of the thesis.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.value = spectral_norm(nn.Conv1d(channels, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return [N, C, H, W] and the attention map [N, 1, H, W] in 0–1, high where it looks."""
        n, c, h, w = x.shape
        flat = x.reshape(n, c, h * w)
        value = self.value(flat)
        scaled = flat * (h * w) ** -0.5  # before the product: float16 holds sums up to 65,504
        gram = torch.bmm(scaled, scaled.transpose(1, 2))
        out = self.gamma * torch.bmm(gram, value) + flat
        mean = value.mean(1, keepdim=True)
        least, most = mean.amin(2, keepdim=True), mean.amax(2, keepdim=True)
        heat = 1.0 - (mean - least) / (most - least + 1e-6)
        return out.reshape(n, c, h, w), heat.reshape(n, 1, h, w)


class Block(nn.Module):
    """1×1, depthwise 3×3, 1×1 without activation, gate; shortcut by average pooling (ResNet-D).

    The attention, where there is one, acts on the body before the shortcut is added.
    """

    def __init__(
        self, channels: int, filters: int, stride: int, *, excite: bool, attend: bool = False
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_norm(channels, filters, 1),
            nn.ReLU(),
            *conv_norm(filters, filters, 3, stride=stride, groups=filters),
            nn.ReLU(),
            *conv_norm(filters, filters, 1),
            *([SqueezeExcite(filters)] if excite else []),
        )
        last_norm = [layer for layer in self.body if isinstance(layer, nn.BatchNorm2d)][-1]
        nn.init.zeros_(last_norm.weight)
        shortcut: list[nn.Module] = []
        if stride > 1:
            shortcut.append(nn.AvgPool2d(2, stride, ceil_mode=True))
        if channels != filters:
            shortcut += conv_norm(channels, filters, 1)
        self.shortcut = nn.Sequential(*shortcut)
        self.attention = SimpleSelfAttention(filters) if attend else None
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, filters, H / stride, W / stride]."""
        return self.with_map(x)[0]

    def with_map(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Do the same, and return the attention map too where the block attends."""
        body, heat = self.body(x), None
        if self.attention is not None:
            body, heat = self.attention(body)
        return self.activation(body + self.shortcut(x)), heat


class Dfbuster(nn.Module):
    """Face crop [N, 3, H, W] to logits [N, 2] (real, fake)."""

    def __init__(self, config: DfbusterConfig) -> None:
        super().__init__()
        widths = [max(round(width * config.width), 1) for width in WIDTHS]
        stem = max(round(STEM_WIDTH * config.width), 1)
        self.attention_map = config.attention_map
        self.stem = nn.Sequential(
            *conv_norm(3, stem, 3, stride=2),
            nn.ReLU(),
            *conv_norm(stem, stem, 3),
            nn.ReLU(),
            *conv_norm(stem, widths[0], 3),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        blocks: list[Block] = []
        channels = widths[0]
        for index, filters in enumerate(widths):
            for position in range(BLOCKS_PER_STAGE):
                stride = 2 if index and not position else 1
                attend = config.self_attention and len(blocks) == BLOCKS_PER_STAGE - 1
                excite = config.squeeze_excite
                blocks.append(Block(channels, filters, stride, excite=excite, attend=attend))
                channels = filters
        self.blocks = nn.ModuleList(blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, config.classes)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return logits [N, classes], and the attention map [N, 1, H/4, W/4] where configured."""
        x, heat = self.stem(image), None
        for block in self.blocks:
            x, found = block.with_map(x)  # type: ignore[operator]
            heat = found if found is not None else heat
        logits: Tensor = self.head(self.pool(x).flatten(1))
        return (logits, heat) if self.attention_map and heat is not None else logits
