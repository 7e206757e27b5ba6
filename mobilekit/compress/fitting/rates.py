"""How fast a network learns: optimizers, and the course of the learning rate."""

import math
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
import torch
from msgspec import Meta
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Course = Literal["constant", "one_cycle", "cosine", "linear", "step"]
WARM_UP, FIRST, LAST = 0.3, 1 / 25, 1e-5
"""Of `one_cycle`: share of the training that the rate rises, and what it begins and ends with."""


class OptimizerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which optimizer, and how its learning rate runs."""

    kind: Literal["sgd", "adam", "adamw", "rmsprop"] = "adamw"
    lr: Annotated[float, Meta(gt=0)] = 1e-3
    """Greatest learning rate."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.9
    """Of `sgd` and `rmsprop`."""
    schedule: Course = "one_cycle"
    cycles: Annotated[int, Meta(ge=1)] = 1
    """How often the course is run through in a training, such as once per round of a lottery."""
    gamma: Annotated[float, Meta(gt=0, le=1)] = 0.1
    """Of `step`: by which the rate is multiplied at each milestone."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Of `step`: shares of the training."""

    def build(self, parameters: Iterable[nn.Parameter], steps: int) -> tuple[Optimizer, LambdaLR]:
        """Make the optimizer and what sets its rate after each step.

        Args:
            parameters: that train.
            steps: of the whole training.
        """
        wanted = [parameter for parameter in parameters if parameter.requires_grad]
        made: Optimizer
        if self.kind == "sgd":
            made = torch.optim.SGD(wanted, self.lr, self.momentum, weight_decay=self.weight_decay)
        elif self.kind == "rmsprop":
            made = torch.optim.RMSprop(
                wanted, self.lr, momentum=self.momentum, weight_decay=self.weight_decay
            )
        else:
            kind = torch.optim.Adam if self.kind == "adam" else torch.optim.AdamW
            made = kind(wanted, self.lr, weight_decay=self.weight_decay)
        return made, LambdaLR(made, lambda step: self.rate(step / max(steps, 1)))

    def rate(self, progress: float) -> float:
        """Return the share of the greatest rate at a progress, both 0–1.

        >>> OptimizerConfig(schedule="cosine").rate(0.5)
        0.5
        >>> OptimizerConfig(schedule="step").rate(0.8)
        0.010000000000000002
        """
        t = progress * self.cycles % 1.0 if progress < 1 else 1.0
        match self.schedule:
            case "constant":
                return 1.0
            case "linear":
                return 1 - t
            case "cosine":
                return (1 + math.cos(math.pi * t)) / 2
            case "step":
                return self.gamma ** sum(t >= milestone for milestone in self.milestones)
            case "one_cycle":
                if t < WARM_UP:
                    return _between(FIRST, 1.0, t / WARM_UP)
                return _between(1.0, LAST, (t - WARM_UP) / (1 - WARM_UP))


def _between(first: float, last: float, t: float) -> float:
    """Return a value on the half cosine from first to last."""
    return last + (first - last) * (1 + math.cos(math.pi * t)) / 2
