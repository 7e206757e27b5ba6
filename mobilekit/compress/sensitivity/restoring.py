"""Leave tensors bit for bit as they were, whatever happens in between."""

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


@contextlib.contextmanager
def restoring(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Put the values of tensors back when the block ends, well or not.

    >>> weight = torch.ones(2)
    >>> with restoring([weight]):
    ...     weight.zero_().tolist()
    [0.0, 0.0]
    >>> weight.tolist()
    [1.0, 1.0]
    """
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, values in kept:
                tensor.copy_(values)
