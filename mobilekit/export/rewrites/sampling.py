"""Sampling grids of affine maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.export.rewrites.rule import Operand, Refused, Rule


class AffineGrid(nn.Module):
    """`grid = [x, y, 1] θᵀ` for the positions of a fixed size (Jaderberg et al. 2015, equation 1)."""

    positions: Tensor

    def __init__(self, size: list[int], *, corners: bool) -> None:
        super().__init__()
        height, width = size[2:]
        identity = torch.eye(2, 3)[None]
        plain = functional.affine_grid(identity, [1, 1, height, width], align_corners=corners)
        ones = torch.ones(height * width, 1)
        self.register_buffer("positions", torch.cat([plain.reshape(-1, 2), ones], dim=1))
        self.shape = (size[0], height, width, 2)

    def forward(self, theta: Tensor) -> Tensor:
        """Map θ [N, 2, 3] to a grid [N, H, W, 2]."""
        return torch.matmul(self.positions, theta.transpose(1, 2)).reshape(self.shape)


def _affine(arguments: dict[str, Operand]) -> nn.Module:
    size = [int(length) for length in arguments["size"]]
    if len(size) != 4:
        raise Refused("Core ML samples no volumes; sample slices")
    return AffineGrid(size, corners=bool(arguments["align_corners"]))


RULES: tuple[Rule, ...] = (
    Rule("affine-grid", frozenset({"coreml"}), ("aten.affine_grid_generator.default",), _affine),
)
