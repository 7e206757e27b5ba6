"""What a checkpoint holds of a distillation: adapters, a peer, and who the teacher is."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mobilekit.core.errors import ModelError


def digest(network: nn.Module) -> str:
    """Return a SHA-256 of names, types, shapes and values of a network's parameters and buffers."""
    found = hashlib.sha256()
    for name, value in network.state_dict().items():
        flat = value.detach().cpu().contiguous()
        found.update(f"{name} {flat.dtype} {list(flat.shape)}\n".encode())
        if flat.numel():
            found.update(memoryview(flat.reshape(-1).view(torch.uint8).numpy()))
    return found.hexdigest()


def remembered(network: nn.Module, prefix: str) -> dict[str, Any]:
    """Return a module's parameters and buffers by prefixed names.

    They are the tensors themselves, as in `Module.state_dict`: a checkpoint that holds the module already
    is not larger for them.
    """
    return {f"{prefix}{name}": value for name, value in network.state_dict().items()}


def recall(network: nn.Module, state: Mapping[str, Any], prefix: str) -> None:
    """Give a module what `remembered` returned of it.

    Raises:
        ModelError: the state is of another module.
    """
    own = network.state_dict()
    held = {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
    if held.keys() != own.keys() or any(held[name].shape != own[name].shape for name in own):
        raise ModelError(
            f"distill: the checkpoint's {prefix.rstrip('.')} is of another network or recipe"
        )
    network.load_state_dict(held)
