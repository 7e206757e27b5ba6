"""The whole network as a teacher of one that has some of its classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from mobilekit.core.errors import ModelError


class RestrictedTeacher(nn.Module):
    """A network whose outputs `[N, C, ...]` are those of some classes, `[N, K, ...]`.

    A network that tells just K classes apart is taken for one that was specialized too, on the same ones:
    its outputs stay as they are.

    Args:
        network: gives a tensor, or a dictionary or tuple of tensors, with the classes in the second
            dimension. It is used itself, not a copy.
        index: numbers of the K classes, in their new order.
    """

    def __init__(self, network: nn.Module, index: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("index", torch.tensor(list(index)), persistent=False)

    def forward(self, *inputs: Any) -> Any:
        """Return the network's outputs, of the same structure, restricted to the classes.

        Args:
            inputs: the network's positional inputs.

        Raises:
            ModelError: outputs without a dimension of classes, or with several sizes of it.
        """
        outputs = self.network(*inputs)
        leaves, structure = pytree.tree_flatten(outputs)
        index = self.get_buffer("index")
        if self._check(outputs, leaves) == len(index):
            return outputs
        return pytree.tree_unflatten(
            [None if one is None else one.index_select(1, index.to(one.device)) for one in leaves],
            structure,
        )

    def _check(self, outputs: Any, leaves: Sequence[Any]) -> int:
        """Return how many classes the network tells apart."""
        tensors = [one for one in leaves if one is not None]
        flat = isinstance(outputs, (Tensor, Mapping, tuple))
        if not tensors or not flat or not all(isinstance(one, Tensor) for one in tensors):
            raise ModelError(
                "a restricted teacher gives a tensor, or a dictionary or tuple of tensors, not "
                f"{type(outputs).__name__}"
            )
        sizes = {one.shape[1] if one.ndim > 1 else 0 for one in tensors}
        index = self.get_buffer("index")
        highest, restricted = int(index.max()), sizes == {len(index)}
        if len(sizes) > 1 or (highest >= min(sizes) and not restricted):
            shapes = ", ".join(str(list(one.shape)) for one in tensors)
            raise ModelError(
                "a restricted teacher's outputs are all [N, C, ...] with one C above "
                f"{highest}, the highest class kept; these are {shapes}"
            )
        return int(sizes.pop())


def restricted_teacher(network: nn.Module, index: Sequence[int]) -> RestrictedTeacher:
    """Return a network's outputs for some classes only, for distillation into a specialized one.

    Modes are the caller's business. Where the network ends in a softmax, its probabilities of the kept
    classes do not sum to 1.

    Args:
        network: the whole network; used itself, not a copy.
        index: old number of each new class, such as `Specialized.index`.
    """
    return RestrictedTeacher(network, index)
