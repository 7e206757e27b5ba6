"""BlazeFace, front camera (Bazarevsky et al. 2019): 101,390 parameters, 896 anchors.

Image [N, 3, 128, 128] in −1 … 1 to raw scores [N, 896, 1] and raw boxes [N, 896, 16]: centre and
size of the box and 6 key points, in pixels relative to the anchor.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.nets.catalog import BlazefaceConfig

Floats: TypeAlias = npt.NDArray[np.float32]

STEM = 24
SIXTEEN = (
    (24, 1),
    (28, 1),
    (32, 2),
    (36, 1),
    (42, 1),
    (48, 2),
    (56, 1),
    (64, 1),
    (72, 1),
    (80, 1),
    (88, 1),
)
EIGHT = ((96, 2), (96, 1), (96, 1), (96, 1), (96, 1))
ANCHORS_PER_CELL = {16: 2, 8: 6}
BOX_VALUES = 16
SCORE_LIMIT = 100.0
INPUT_SIZE = 128


def build(config: BlazefaceConfig) -> nn.Module:  # noqa: ARG001  one shape only
    """Build the network."""
    return Blazeface()


def anchors() -> Floats:
    """Return the 896 anchor centres [896, 2] (x, y), as fractions of the image; all have unit size."""
    rows = []
    for cells, count in ANCHORS_PER_CELL.items():
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        rows.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), count, axis=0))
    return np.concatenate(rows)


def decode(boxes: Floats) -> Floats:
    """Turn raw boxes [896, 16] into x0, y0, x1, y1 and 6 points (x, y), as fractions of the image.

    centre = raw / 128 + anchor centre; size = raw / 128.
    """
    centres = anchors()
    scaled = boxes / INPUT_SIZE
    middle, half = scaled[:, :2] + centres, scaled[:, 2:4] / 2
    points = scaled[:, 4:].reshape(len(boxes), -1, 2) + centres[:, None]
    return np.concatenate([middle - half, middle + half, points.reshape(len(boxes), -1)], axis=1)


class BlazeBlock(nn.Module):
    """Depthwise 3×3 and 1×1, with a shortcut whose new channels are zeros."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.stride, self.more = stride, filters - channels
        padding = 0 if stride == 2 else 1
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, stride, padding, groups=channels),
            nn.Conv2d(channels, filters, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, filters, H / stride, W / stride]."""
        shortcut = x
        if self.stride == 2:
            x = functional.pad(x, (0, 2, 0, 2))
            shortcut = functional.max_pool2d(shortcut, 2)
        if self.more:
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, self.more))
        return functional.relu(self.body(x) + shortcut)


class Blazeface(nn.Module):
    """The face detector, without anchors' decoding and suppression."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 5, 2)
        self.sixteen, channels = self._stage(STEM, SIXTEEN)
        self.score16 = nn.Conv2d(channels, ANCHORS_PER_CELL[16], 1)
        self.box16 = nn.Conv2d(channels, ANCHORS_PER_CELL[16] * BOX_VALUES, 1)
        self.eight, channels = self._stage(channels, EIGHT)
        self.score8 = nn.Conv2d(channels, ANCHORS_PER_CELL[8], 1)
        self.box8 = nn.Conv2d(channels, ANCHORS_PER_CELL[8] * BOX_VALUES, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return raw scores [N, 896, 1] and raw boxes [N, 896, 16]."""
        x = functional.relu(self.stem(functional.pad(image, (1, 2, 1, 2))))
        sixteen = self.sixteen(x)
        eight = self.eight(sixteen)
        scores = [self._flat(self.score16(sixteen), 1), self._flat(self.score8(eight), 1)]
        boxes = [
            self._flat(self.box16(sixteen), BOX_VALUES),
            self._flat(self.box8(eight), BOX_VALUES),
        ]
        return torch.cat(scores, dim=1).clamp(-SCORE_LIMIT, SCORE_LIMIT), torch.cat(boxes, dim=1)

    @staticmethod
    def _stage(channels: int, layers: tuple[tuple[int, int], ...]) -> tuple[nn.Sequential, int]:
        blocks = []
        for filters, stride in layers:
            blocks.append(BlazeBlock(channels, filters, stride))
            channels = filters
        return nn.Sequential(*blocks), channels

    @staticmethod
    def _flat(x: Tensor, values: int) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, values)
