"""How a description is put into a network of the original class: layers, biases, shapes, numbers."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mobilekit.compress.structuring.differences import named_tensors
from mobilekit.compress.structuring.format import Cut, Layer, Option, Structure
from mobilekit.compress.structuring.layers import is_plain, made
from mobilekit.core.errors import ArtifactError


def given(network: nn.Module, structure: Structure) -> nn.Module:
    """Give a network what a structure describes, in place, and return it; the graph is left out.

    Raises:
        ArtifactError: a structure at odds with itself.
    """
    network = exchanged(network, structure.layers)
    for name, shape in structure.added.items():
        _add(network, name, shape)
    _cut(network, structure)
    for path, numbers in structure.attributes.items():
        module = _module(network, path)
        for key, number in numbers.items():
            _set(module, path, key, number)
    return network


def exchanged(network: nn.Module, layers: Mapping[str, Layer]) -> nn.Module:
    """Put layers in the place of others, in place, and return the network.

    Raises:
        ArtifactError: layers that cannot be made, or have no place.
    """
    for path, layer in layers.items():
        old = _module(network, path)
        network = _replaced(network, old, made(path, layer, old, _like(old, network)))
    return network


def selected(tensor: Tensor, lists: Mapping[int, tuple[int, ...]]) -> tuple[int, ...] | None:
    """Return the shape that remains of a tensor; None where it has no such indices.

    Args:
        tensor: of any shape.
        lists: indices per dimension.
    """
    shape = list(tensor.shape)
    for dimension, indices in lists.items():
        if not 0 <= dimension < len(shape):
            return None
        if not all(0 <= index < shape[dimension] for index in indices):
            return None
        shape[dimension] = len(indices)
    return tuple(shape)


def _module(network: nn.Module, path: str) -> nn.Module:
    try:
        return network.get_submodule(path)
    except AttributeError as problem:
        raise ArtifactError(f"{path}: the network has no such module") from problem


def _like(old: nn.Module, network: nn.Module) -> Tensor:
    """Return a tensor whose type and device new weights in the place of a module have."""
    for tensor in (*old.parameters(), *network.parameters()):
        if tensor.is_floating_point():
            return tensor
    return torch.zeros(())


def _replaced(network: nn.Module, old: nn.Module, new: nn.Module) -> nn.Module:
    """Put a module in the place of another wherever that is registered, and return the network."""
    if old is network:
        return new
    for module in list(network.modules()):
        for name, child in list(module._modules.items()):  # noqa: SLF001  children may be shared
            if child is old:
                setattr(module, name, new)
    return network


def _add(network: nn.Module, name: str, shape: tuple[int, ...]) -> None:
    """Give a module a parameter where it has None."""
    owner, _, key = name.rpartition(".")
    module = _module(network, owner)
    if getattr(module, key, module) is not None:
        raise ArtifactError(f"{name}: the network has no place for a new parameter there")
    setattr(module, key, nn.Parameter(_like(module, network).new_zeros(shape)))


def _cut(network: nn.Module, structure: Structure) -> None:
    """Give tensors their new shapes, in place: whoever shares one goes on sharing it."""
    tensors = dict(named_tensors(network))
    done: dict[int, Cut] = {}
    for name, cut in structure.tensors.items():
        if name not in tensors:
            raise ArtifactError(f"{name}: the network has no such parameter or buffer")
        tensor = tensors[name]
        if id(tensor) in done:
            continue
        done[id(tensor)] = cut
        if any(not 0 <= place < len(structure.indices) for place in cut.kept.values()):
            raise ArtifactError(f"{name}: its kept indices are not listed")
        lists = {dimension: structure.indices[place] for dimension, place in cut.kept.items()}
        if lists and selected(tensor, lists) != cut.shape:
            raise ArtifactError(f"{name}: its kept indices do not make {list(cut.shape)}")
        smaller = tensor.detach() if lists else tensor.detach().new_zeros(cut.shape)
        for dimension, indices in lists.items():
            chosen = torch.tensor(indices, dtype=torch.long, device=tensor.device)
            smaller = smaller.index_select(dimension, chosen)
        tensor.grad = None
        tensor.data = smaller


def _set(module: nn.Module, path: str, key: str, number: Option) -> None:
    """Let a module know a number of itself, as the tuple or list that it was."""
    old = vars(module).get(key)
    if key not in vars(module) or not is_plain(old):
        raise ArtifactError(f"{path}: has no number {key}")
    setattr(
        module, key, list(number) if isinstance(old, list) and isinstance(number, tuple) else number
    )
