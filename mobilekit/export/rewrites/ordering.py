"""Top-k whose positions nobody reads, and sorts."""

import torch
from torch import Tensor, nn

from mobilekit.export.rewrites.rule import USED, Operand, Refused, Rule


class PositionedTopk(nn.Module):
    """Top-k by its positions: the values are gathered from the input.

    LiteRT's converter knows a top-k by its positions; without them it sees a sort, which the
    interpreter lacks.
    """

    def __init__(self, k: int, axis: int, *, largest: bool) -> None:
        super().__init__()
        self.k, self.axis, self.largest = k, axis, largest

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and positions (int64), each with k entries along the axis."""
        _, positions = torch.topk(x, self.k, self.axis, self.largest)
        return torch.gather(x, self.axis, positions), positions


def _topk(arguments: dict[str, Operand]) -> nn.Module | None:
    if 1 in arguments[USED]:
        return None
    axis = int(arguments["dim"]) % arguments["self"].dim()
    return PositionedTopk(int(arguments["k"]), axis, largest=bool(arguments["largest"]))


def _sort(_arguments: dict[str, Operand]) -> nn.Module:
    raise Refused("LiteRT's interpreter has no sort; take topk, or sort in the app")


_TFLITE = frozenset({"tflite"})
RULES: tuple[Rule, ...] = (
    Rule("topk", _TFLITE, ("aten.topk.default",), _topk),
    Rule(
        "sort", _TFLITE,
        ("aten.sort.default", "aten.sort.stable", "aten.argsort.default", "aten.argsort.stable"),
        _sort,
    ),
)  # fmt: skip
