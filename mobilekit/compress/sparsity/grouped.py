"""Which weights make a group: a parameter, how it is viewed, and the dimensions of one group."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilekit.core.errors import ModelError


@dataclass(frozen=True, eq=False)
class Grouped:
    """The groups of one parameter: a filter, a kernel, a row, a head, a single weight.

    >>> kernels = Grouped("conv.weight", torch.zeros(8, 3, 5, 5), dims=(2, 3))
    >>> kernels.count, kernels.size
    (24, 25)
    >>> heads = Grouped("query.weight", torch.zeros(64, 64), dims=(1, 2), shape=(4, 16, 64))
    >>> heads.count, heads.size
    (4, 1024)
    """

    name: str
    """In the state dict."""
    weight: Tensor
    dims: tuple[int, ...]
    """Dimensions of the view that one group spans; without any, each weight is a group."""
    shape: tuple[int, ...] = ()
    """How the parameter, or its part, is viewed; without it, as it is."""
    part: tuple[int, int] | None = None
    """First index of the first dimension that is meant, and how many; all without it."""
    layer: str = ""
    """Path of the module that the parameter belongs to."""
    within: int | None = None
    """Dimension of the view whose weights are compared with one another only: the blocks of n:m."""

    def __post_init__(self) -> None:
        if math.prod(self._shape) != self._part(self.weight).numel():
            raise ModelError(
                f"{self.name}: {list(self.weight.shape)} cannot be viewed as {list(self._shape)}"
            )
        if any(not 0 <= dim < len(self._shape) for dim in self.dims):
            raise ModelError(
                f"{self.name}: groups over dimensions {list(self.dims)}, but the weight has"
                f" {len(self._shape)}"
            )

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.shape or tuple(self._part(self.weight).shape)

    def _part(self, tensor: Tensor) -> Tensor:
        return tensor if self.part is None else tensor.narrow(0, *self.part)

    @property
    def size(self) -> int:
        """How many weights a group has."""
        return math.prod(self._shape[dim] for dim in self.dims)

    @property
    def count(self) -> int:
        """How many groups there are."""
        return math.prod(size for dim, size in enumerate(self._shape) if dim not in self.dims)

    def view(self, tensor: Tensor | None = None) -> Tensor:
        """View the weight, or a tensor of its shape (a gradient, a momentum), without a copy."""
        part = self._part(self.weight if tensor is None else tensor)
        return part.view(self.shape) if self.shape else part

    def spread(self, per_group: Tensor) -> Tensor:
        """Shape a number per group, `[count]`, so that it broadcasts over the view."""
        return per_group.reshape(
            [1 if dim in self.dims else size for dim, size in enumerate(self._shape)]
        )

    def mean(self, per_weight: Tensor) -> Tensor:
        """Return the mean over each group of a tensor of the view's shape, `[count]`, at least float32."""
        wide = torch.promote_types(per_weight.dtype, torch.float32)
        if not self.dims:
            return per_weight.to(wide).reshape(-1)
        return per_weight.mean(self.dims, dtype=wide).reshape(-1)

    def rows(self, view: Tensor) -> Tensor:
        """Return a tensor of the view's shape with a row per group, `[count, size]`."""
        apart = [dim for dim in range(view.ndim) if dim not in self.dims]
        return view.permute(*apart, *self.dims).reshape(self.count, self.size)
