"""The layer that makes the teacher's number of channels out of the student's; it trains, and is thrown away."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from mobilekit.core.errors import ModelError


def adapter(
    student: Sequence[int], teacher: Sequence[int], generator: torch.Generator | None = None
) -> nn.Module:
    """Make the adapter of a pair of layers: 1×1 convolution for maps, linear layer for vectors.

    Give its parameters to the optimizer beside the student's. It is an identity without parameters where
    the channels are as many, so that a student equal to its teacher costs nothing.

    Args:
        student: shape of the student's features, `[N, C, H, W]` or `[N, C]`.
        teacher: shape of the teacher's features, `[N, C', H', W']` or `[N, C']`.
        generator: draws the weights, uniform in ±1/√C as PyTorch's own layers; seed 0 by default.

    Returns:
        From `[N, C, …]` to `[N, C', …]`, float32, on the CPU.

    Raises:
        ModelError: shapes that do not fit.

    >>> adapter([1, 8, 4, 4], [1, 16, 4, 4])
    Conv2d(8, 16, kernel_size=(1, 1), stride=(1, 1), bias=False)
    """
    if len(student) not in {2, 4} or len(student) != len(teacher):
        raise ModelError(
            "distillation: features of student and teacher are both [N, C, H, W] or both [N, C], not "
            f"{list(student)} and {list(teacher)}"
        )
    inputs, outputs = student[1], teacher[1]
    if inputs == outputs:
        return nn.Identity()
    made: nn.Module
    if len(student) == 4:  # on no device: PyTorch draws no weights of its own
        made = nn.Conv2d(inputs, outputs, 1, bias=False, device="meta")
    else:
        made = nn.Linear(inputs, outputs, bias=False, device="meta")
    made.to_empty(device="cpu")
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        for weight in made.parameters():
            weight.uniform_(-bound, bound, generator=generator or torch.Generator().manual_seed(0))
    return made
