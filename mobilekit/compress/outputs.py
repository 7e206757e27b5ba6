"""Which of a network's outputs a loss or a metric looks at: the first."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mobilekit.core.errors import ModelError


def first_of(outputs: Any) -> Tensor:
    """Return the first tensor of what a network returns: itself, or out of a dict, tuple or list.

    Raises:
        ModelError: there is none.

    >>> import torch
    >>> first_of({"out": torch.ones(1), "aux": torch.zeros(1)})
    tensor([1.])
    """
    while not isinstance(outputs, Tensor):
        if isinstance(outputs, Mapping) and outputs:
            outputs = next(iter(outputs.values()))
        elif isinstance(outputs, (list, tuple)) and outputs:
            outputs = outputs[0]
        else:
            raise ModelError(f"the network returns no tensor, but {type(outputs).__name__}")
    return outputs
