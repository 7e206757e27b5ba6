"""Operators that only move values: channel shuffle and circular padding."""

import torch
from torch import Tensor, nn

from mobilekit.export.rewrites.rule import Operand, Refused, Rule


class ChannelShuffle(nn.Module):
    """Interleave the groups of channels of [N, C, …] (Zhang et al. 2018)."""

    def __init__(self, shape: tuple[int, ...], groups: int) -> None:
        super().__init__()
        self.shape, self.groups = shape, groups

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, …] to the same shape."""
        batch, channels, *rest = self.shape
        split = x.reshape(batch, self.groups, channels // self.groups, *rest)
        return split.transpose(1, 2).reshape(self.shape)


class CircularPad(nn.Module):
    """Pad [N, C, …] with the values of the opposite side; `pad` as torch.nn.functional.pad has it."""

    def __init__(self, pad: tuple[int, ...]) -> None:
        super().__init__()
        self.pad = pad

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded tensor."""
        for index in range(len(self.pad) // 2):
            axis = x.dim() - 1 - index
            before, after = self.pad[2 * index], self.pad[2 * index + 1]
            size = x.shape[axis]
            parts = [x]
            if before:
                parts.insert(0, x.narrow(axis, size - before, before))
            if after:
                parts.append(x.narrow(axis, 0, after))
            x = torch.cat(parts, dim=axis)
        return x


def _shuffle(arguments: dict[str, Operand]) -> nn.Module:
    return ChannelShuffle(tuple(arguments["self"].shape), int(arguments["groups"]))


def _pad(arguments: dict[str, Operand]) -> nn.Module | None:
    if arguments.get("mode") != "circular":
        return None
    pad = tuple(int(size) for size in arguments["pad"])
    if min(pad) < 0:
        raise Refused("circular padding by a negative width has no replacement")
    return CircularPad(pad)


_COREML = frozenset({"coreml"})
RULES: tuple[Rule, ...] = (
    Rule("channel-shuffle", _COREML, ("aten.channel_shuffle.default",), _shuffle),
    Rule("circular-pad", _COREML, ("aten.pad.default",), _pad),
)
