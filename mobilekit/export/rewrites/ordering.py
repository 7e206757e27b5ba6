"""Top-k without a sort: arg-max, again and again."""

import torch
from torch import Tensor, nn

from mobilekit.export.rewrites.rule import Operand, Refused, Rule

MOST = 64


class RepeatedMax(nn.Module):
    """The k largest (or smallest) values along an axis in order, and their positions."""

    def __init__(self, k: int, axis: int, *, largest: bool) -> None:
        super().__init__()
        self.k, self.axis, self.largest = k, axis, largest

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and positions (int64), each with k entries along the axis."""
        left = x if self.largest else -x
        shape = [1] * x.dim()
        shape[self.axis] = x.shape[self.axis]
        places = torch.arange(x.shape[self.axis], device=x.device).reshape(shape)
        values, positions = [], []
        for _ in range(self.k):
            position = torch.argmax(left, dim=self.axis, keepdim=True)
            chosen = places == position
            values.append(torch.amax(left, dim=self.axis, keepdim=True))
            positions.append(position)
            left = torch.where(chosen, torch.full_like(left, -torch.inf), left)
        found = torch.cat(values, dim=self.axis)
        return (found if self.largest else -found), torch.cat(positions, dim=self.axis)


def _topk(arguments: dict[str, Operand]) -> nn.Module:
    x: Tensor = arguments["self"]
    k = int(arguments["k"])
    if k > MOST:
        raise Refused(f"topk with k = {k}: LiteRT's interpreter has no sort, and {MOST} is the most")
    if not x.is_floating_point():
        raise Refused("topk of integers: LiteRT's interpreter has no sort")
    axis = int(arguments["dim"]) % x.dim()
    return RepeatedMax(k, axis, largest=bool(arguments["largest"]))


def _sort(_arguments: dict[str, Operand]) -> nn.Module:
    raise Refused("LiteRT's interpreter has no sort; take topk with a small k, or sort in the app")


_TFLITE = frozenset({"tflite"})
RULES: tuple[Rule, ...] = (
    Rule("topk", _TFLITE, ("aten.topk.default",), _topk),
    Rule(
        "sort", _TFLITE,
        ("aten.sort.default", "aten.sort.stable", "aten.argsort.default", "aten.argsort.stable"),
        _sort,
    ),
)  # fmt: skip
