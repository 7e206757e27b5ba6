"""Random tensors, reproducible: of the right distribution, not Core ML's own stream.

Source: the operator definitions of coremltools (`iOS15`, random). A seed of -1 means none to
Core ML; here such an operator draws from a seed made of its name, so that two runs of a program
agree. The global generator is left as found.
"""

import torch
from torch import Tensor

from mobilekit.core.seeding import child_seed
from mobilekit.runtime.coreml_reference.context import Handler, OpContext
from mobilekit.runtime.coreml_reference.ops.values import (
    Number,
    integer,
    integers,
    real,
    refused,
)


def random_bernoulli(
    *, shape: Tensor, prob: Number = 0.5, seed: Number = -1, context: OpContext | None = None
) -> Tensor:
    """Return ones with probability `prob`, else zeros.

    Raises:
        ArtifactError: a probability outside [0, 1].
    """
    chance = real(prob)
    if not 0 <= chance <= 1:
        raise refused("random_bernoulli", "prob", chance, "is outside [0, 1]")
    draws = torch.rand(integers(shape), generator=_generator(seed, context))
    return (draws < chance).to(torch.float32)


def random_categorical(
    *,
    x: Tensor,
    mode: str = "logits",
    size: Number = 1,
    seed: Number = -1,
    context: OpContext | None = None,
) -> Tensor:
    """Draw classes with replacement: x [*D, K] of logits or probabilities, result [*D, size].

    Raises:
        ArtifactError: a mode other than logits and probs.
    """
    if mode not in {"logits", "probs"}:
        raise refused("random_categorical", "mode", mode, "is neither logits nor probs")
    chances = torch.softmax(x, dim=-1) if mode == "logits" else x
    rows = chances.reshape(-1, x.shape[-1])
    draws = torch.multinomial(
        rows, integer(size), replacement=True, generator=_generator(seed, context)
    )
    return draws.reshape(*x.shape[:-1], integer(size)).to(x.dtype)


def random_normal(
    *,
    shape: Tensor,
    mean: Number = 0.0,
    stddev: Number = 1.0,
    seed: Number = -1,
    context: OpContext | None = None,
) -> Tensor:
    """Return numbers of a normal distribution.

    Raises:
        ArtifactError: a negative standard deviation.
    """
    if real(stddev) < 0:
        raise refused("random_normal", "stddev", real(stddev), "is negative")
    draws = torch.randn(integers(shape), generator=_generator(seed, context))
    return draws * real(stddev) + real(mean)


def random_uniform(
    *,
    shape: Tensor,
    low: Number = 0.0,
    high: Number = 1.0,
    seed: Number = -1,
    context: OpContext | None = None,
) -> Tensor:
    """Return numbers spread evenly over [low, high).

    Raises:
        ArtifactError: high below low.
    """
    start, stop = real(low), real(high)
    if stop < start:
        raise refused("random_uniform", "high", stop, f"is below low = {start}")
    draws = torch.rand(integers(shape), generator=_generator(seed, context))
    return draws * (stop - start) + start


def _generator(seed: Number, context: OpContext | None) -> torch.Generator:
    given = integer(seed)
    name = "" if context is None else context.name
    return torch.Generator().manual_seed(given if given >= 0 else child_seed(0, name))


TABLE: dict[str, Handler] = {
    "random_bernoulli": random_bernoulli,
    "random_categorical": random_categorical,
    "random_normal": random_normal,
    "random_uniform": random_uniform,
}
