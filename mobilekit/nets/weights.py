"""How a state dict comes into a network: never by unpickling objects."""

import fnmatch
import pickle as _pickle  # noqa: TID251  only the name of its exception
from collections.abc import Collection
from pathlib import Path
from typing import TypeGuard

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from mobilekit.core.errors import ModelError, suggestion

SHOWN = 3
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
"""Keys under which training code puts a network's state dict into a checkpoint."""


def load_weights(module: nn.Module, path: Path, fresh: Collection[str] = ()) -> None:
    """Load a `.safetensors` file, or a `.pt`/`.pth` file that holds tensors only.

    Args:
        module: whose weights are replaced.
        path: of the file.
        fresh: patterns of entries that stay as they are, whatever the file has for them.

    Raises:
        ModelError: missing, truncated, pickled objects, or a state dict that does not fit; missing,
            unexpected and mis-shaped entries are listed. A pattern that matches no entry.
    """
    stay = _matching(module.state_dict(), fresh)
    state = {name: each for name, each in read_state(path).items() if name not in stay}
    own = {name: each for name, each in module.state_dict().items() if name not in stay}
    missing = sorted(set(own) - set(state))
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    unexpected = sorted(set(state) - set(own))
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in state and own[name].shape != state[name].shape
    ]
    problems = [
        f"{len(names)} {word}: {', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''}"
        for word, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", shapes),
        )
        if names
    ]
    if problems:
        raise ModelError(f"{path}: does not fit the network: {'; '.join(problems)}")
    module.load_state_dict(state, strict=False)


def _matching(names: Collection[str], patterns: Collection[str]) -> set[str]:
    """Return the names that some pattern matches."""
    found: set[str] = set()
    for pattern in patterns:
        matched = fnmatch.filter(names, pattern)
        if not matched:
            raise ModelError(
                f"fresh: {pattern!r} matches no weight of the network.{suggestion(pattern, names)}"
            )
        found.update(matched)
    return found


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a file, or from the first entry of a checkpoint that `WRAPPERS` names.

    Raises:
        ModelError: missing, truncated, or of a form that would need unpickling.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file of weights")
    content = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    inner = content
    if isinstance(content, dict) and not _is_state(content):
        held = [str(key) for key, value in content.items() if value and _is_state(value)]
        known = next((key for key in WRAPPERS if key in held), None)
        if known is None:
            hint = f"; its entries {', '.join(held[:SHOWN])} do: save one alone" if held else ""
            raise ModelError(f"{path}: holds no state dict (name → tensor){hint}")
        inner = content[known]
    if not _is_state(inner):
        raise ModelError(f"{path}: holds no state dict (name → tensor)")
    if not inner:
        raise ModelError(f"{path}: holds no tensors")
    return {str(name): tensor for name, tensor in inner.items()}


def _is_state(value: object) -> TypeGuard[dict[str, Tensor]]:
    return isinstance(value, dict) and all(isinstance(one, Tensor) for one in value.values())


def _safetensors(path: Path) -> object:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as problem:
        raise ModelError(f"{path}: is no whole .safetensors file ({_first(problem)})") from problem


def _checkpoint(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except _pickle.UnpicklingError as problem:
        raise ModelError(
            f"{path}: holds pickled objects, which may run code when loaded; save model.state_dict()"
            " with safetensors.torch.save_file, and give that"
        ) from problem
    except Exception as problem:  # foreign bytes fail in any way
        raise ModelError(f"{path}: is no whole PyTorch checkpoint ({_first(problem)})") from problem


def _first(problem: BaseException) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:160]
