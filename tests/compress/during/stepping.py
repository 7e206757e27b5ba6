"""A loop of a few steps, without Lightning."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional
from torch.optim import Optimizer

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Batch, Context, During
from tests.compress.fitting.material import Dots

INPUTS = (torch.full((1, 1, 8, 8), 0.5),)


def adam(parameters: list[nn.Parameter]) -> Optimizer:
    return torch.optim.Adam(parameters, 1e-2)


def run(
    network: nn.Module,
    methods: Sequence[During],
    steps: int = 6,
    *,
    each: Callable[[int, Optimizer], None] | None = None,
    make: Callable[[list[nn.Parameter]], Optimizer] = adam,
    context: Context | None = None,
    started: Callable[[Acting], None] | None = None,
) -> tuple[Acting, tuple[str, ...]]:
    """Train on one batch, an epoch every two steps; `each` is called after every step, `started` before."""
    data = Dots(12, next(network.parameters()).dtype)
    network.train()
    with Acting(network, methods, context or Context(INPUTS)) as acting:
        if started is not None:
            started(acting)
        optimizer = make([*network.parameters(), *acting.parameters()])
        for step in range(1, steps + 1):
            outputs = network(data.images)
            task = functional.cross_entropy(outputs, data.labels)
            optimizer.zero_grad()
            acting.loss(task, Batch((data.images,), data.labels), outputs).backward()  # type: ignore[no-untyped-call]
            acting.after_backward()
            optimizer.step()
            acting.after_step(step / steps, optimizer)
            if step % 2 == 0:
                acting.after_epoch(step / steps, optimizer)
            if each is not None:
                each(step, optimizer)
        return acting, acting.finish()
