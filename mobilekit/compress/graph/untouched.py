"""Leave a network as it was before a run: modes, gradients, and what its code put into its modules.

Some networks keep what they have computed (attention biases, anchors, positions) in an attribute. After
a run on fake tensors that would be a fake tensor, and after the channels are cut one of the wrong size.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

_OWN = frozenset(nn.Module().__dict__) - {"_buffers"}
"""Attributes of every module; its buffers may be set anew by its code."""


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Run a network in evaluation mode without gradients, and leave it as found."""
    before = [(module, dict(module.__dict__), _containers(module)) for module in network.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        for module, _, _ in before:  # an exported program has no eval()
            module.training = False
        torch.backends.mha.set_fastpath_enabled(False)  # its one call would hide the attention
        with torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, attributes, containers in before:
            _restore(module, attributes, containers)


def _containers(module: nn.Module) -> list[tuple[Any, Any]]:
    """Return the module's own dictionaries and lists, each with a copy."""
    return [
        (value, value.copy())
        for name, value in module.__dict__.items()
        if type(value) in {dict, list} and name not in _OWN
    ]


def _restore(
    module: nn.Module, attributes: dict[str, Any], containers: list[tuple[Any, Any]]
) -> None:
    now = module.__dict__
    if now.keys() != attributes.keys() or any(now[key] is not attributes[key] for key in now):
        now.clear()
        now.update(attributes)
    for container, copy in containers:
        if len(container) == len(copy) and _same(container, copy):
            continue
        container.clear()
        if isinstance(container, dict):
            container.update(copy)
        else:
            container.extend(copy)


def _same(container: Any, copy: Any) -> bool:
    if isinstance(container, dict):
        return all(key in copy and copy[key] is value for key, value in container.items())
    return all(one is two for one, two in zip(container, copy, strict=True))
