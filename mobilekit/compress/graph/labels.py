"""Which channel each element of a tensor belongs to.

A tensor carries *components*: arrays of atoms that broadcast to its shape. An element dies when its
atom in any component dies. The output of a convolution has one component `[1, C, 1, 1]`; a weight has
one per dimension; an attention matrix between channels has two, `[C, 1]` and `[1, C]`. A component
whose atoms vary along several dimensions at once is *joint*: the halves of a split dimension, a
flattened map.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Component = Tensor


@dataclass(frozen=True)
class Labels:
    """The components of a tensor of this shape; none where every element must stay."""

    shape: tuple[int, ...]
    components: tuple[Component, ...] = ()

    def along(self, dimension: int) -> tuple[Component, ...]:
        """Return the components that vary along a dimension."""
        return tuple(part for part in self.components if part.shape[dimension] > 1)

    def apart(self, dimension: int) -> tuple[Component, ...]:
        """Return the components that do not vary along a dimension."""
        return tuple(part for part in self.components if part.shape[dimension] == 1)


def pattern(component: Component) -> tuple[int, ...]:
    """Return the dimensions along which a component varies.

    >>> import torch
    >>> pattern(torch.arange(6).reshape(1, 3, 1, 2))
    (1, 3)
    """
    return tuple(d for d, size in enumerate(component.shape) if size > 1)


def compact(component: Component) -> Component:
    """Return a component with size 1 wherever it does not vary.

    >>> import torch
    >>> compact(torch.tensor([[1, 2], [1, 2]])).tolist()
    [[1, 2]]
    """
    for dimension, size in enumerate(component.shape):
        if size > 1:
            first = component.narrow(dimension, 0, 1)
            if component.stride(dimension) == 0 or bool((component == first).all()):
                component = first
    return component


def along(vector: Tensor, dimension: int, rank: int) -> Component:
    """Return the component of a vector of atoms along one dimension.

    >>> import torch
    >>> along(torch.arange(3), 1, 4).shape
    torch.Size([1, 3, 1, 1])
    """
    return vector.reshape([-1 if d == dimension else 1 for d in range(rank)])


def moved(
    labels: Labels, shape: tuple[int, ...], move: Callable[[Tensor], Tensor]
) -> tuple[Labels, list[Component]]:
    """Apply an operator that only moves elements to every component.

    Returns the labels of the result, and the components that came out as a single channel: such a
    tensor consists of that channel and cannot be had without it.
    """
    kept: list[Component] = []
    single: list[Component] = []
    for component in labels.components:
        result = compact(move(component.expand(labels.shape)))
        (kept if pattern(result) else single).append(result)
    return Labels(shape, tuple(kept)), single
