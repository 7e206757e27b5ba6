"""Which layers of a network can be replaced by others, and why the rest cannot."""

import fnmatch
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mobilekit.compress.decomposition.forms import Method
from mobilekit.core.errors import ModelError, RecipeError, suggestion

_PLAIN: dict[Method, tuple[type[nn.Module], ...]] = {
    "truncated_svd": (nn.Linear,),
    "channel_svd": (nn.Conv1d, nn.Conv2d, nn.Conv3d),
    "spatial_svd": (nn.Conv2d,),
    "tucker2": (nn.Conv1d, nn.Conv2d, nn.Conv3d),
}
_WATCHED = {
    *("weight", "bias", "in_features", "out_features", "in_channels", "out_channels"),
    *("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"),
}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True)
class Left:
    """A layer that stays what it was."""

    path: str
    reason: str


def candidates(
    network: nn.Module, method: Method, patterns: Collection[str] = ()
) -> tuple[dict[str, nn.Module], list[Left]]:
    """Sort the layers that a method is for into those that can be replaced and those that cannot.

    Args:
        network: any module.
        method: of decomposition.
        patterns: such as `features.*`; all layers where there are none. A layer that is registered at
            several paths is meant by each, and listed under the first.

    Raises:
        RecipeError: a pattern that matches no layer of this kind.
        ModelError: a layer with weights that are not finite.
    """
    family = (nn.Linear,) if method == "truncated_svd" else (nn.modules.conv._ConvNd,)  # noqa: SLF001
    paths: dict[nn.Module, list[str]] = defaultdict(list)
    for path, module in network.named_modules(remove_duplicate=False):
        if isinstance(module, family):
            paths[module].append(path)
    chosen = _matching(paths, patterns)
    owners = _owners(network)
    fit: dict[str, nn.Module] = {}
    left: list[Left] = []
    for module in chosen:
        path = paths[module][0]
        reason = _unfit(module, method) or _shared(module, owners)
        if reason:
            left.append(Left(path, reason))
        else:
            _check_values(path, module)
            fit[path] = module
    return fit, left


def read_by_others(
    network: nn.Module, layers: Collection[nn.Module], inputs: Sequence[Tensor]
) -> set[nn.Module]:
    """Run a network once, and find the layers whose weight or shape is read other than by running them.

    Args:
        network: its layers are watched during the run, and then as they were.
        layers: plain ones of this network.
        inputs: examples of its positional inputs.

    Raises:
        ModelError: it does not take the inputs.
    """
    seen: set[nn.Module] = set()
    modes = {module: module.training for module in network.modules()}
    kinds = {layer: type(layer) for layer in layers}
    try:
        network.eval()
        for layer in layers:
            layer.__class__ = _watching(type(layer), seen)
        with torch.no_grad():
            network(*inputs)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ModelError(f"decompose: the network does not run on its inputs: {words}") from problem
    finally:
        for layer, kind in kinds.items():
            layer.__class__ = kind
        for module, training in modes.items():
            module.training = training
    return seen


def _watching(kind: type[Any], seen: set[nn.Module]) -> type[nn.Module]:
    running: set[int] = set()

    class Watched(kind):  # type: ignore[misc]
        def forward(self, *inputs: Any, **options: Any) -> Any:
            running.add(id(self))
            try:
                return super().forward(*inputs, **options)
            finally:
                running.discard(id(self))

        def __getattribute__(self, name: str) -> Any:
            if name in _WATCHED and id(self) not in running:
                seen.add(self)
            return super().__getattribute__(name)

    return Watched


def _matching(
    paths: dict[nn.Module, list[str]], patterns: Collection[str]
) -> dict[nn.Module, None]:
    if not patterns:
        return dict.fromkeys(paths)
    chosen: set[nn.Module] = set()
    for pattern in patterns:
        found = {
            module
            for module, names in paths.items()
            if any(fnmatch.fnmatchcase(name, pattern) for name in names)
        }
        if not found:
            known = [name for names in paths.values() for name in names]
            raise RecipeError(
                f"decompose.layers: {pattern!r} matches no layer that this method is for."
                f"{suggestion(pattern, known)}"
            )
        chosen |= found
    return {module: None for module in paths if module in chosen}


def _unfit(module: nn.Module, method: Method) -> str | None:
    """Say why a layer cannot be replaced, whatever its ranks."""
    if type(module) not in _PLAIN[method]:
        return f"{method} is not for {type(module).__name__}"
    if "forward" in vars(module) or any(getattr(module, name) for name in _HOOKS):
        return "it has hooks or a forward of its own"
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    if weight is None:
        return "its weight is computed at every run; make that permanent first"
    if not weight.dtype.is_floating_point:
        return f"its weight is {str(weight.dtype).removeprefix('torch.')}"
    if weight.numel() == 0:
        return "its weight is empty"
    if method == "tucker2" and getattr(module, "groups", 1) != 1:
        return f"it has {module.groups} groups, and tucker2 takes one"
    return None


def _shared(module: nn.Module, owners: dict[int, set[nn.Module]]) -> str | None:
    held = module.parameters(recurse=False)
    if any(len(owners[id(parameter)]) > 1 for parameter in held):
        return "its weight or bias is shared with another module"
    return None


def _owners(network: nn.Module) -> dict[int, set[nn.Module]]:
    owners: dict[int, set[nn.Module]] = defaultdict(set)
    for module in network.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)].add(module)
    return owners


def _check_values(path: str, module: Any) -> None:
    if module.weight.is_meta:
        raise ModelError(f"{path}.weight has no values (device meta); load the network first")
    if not bool(module.weight.isfinite().all()):
        raise ModelError(
            f"{path}.weight has values that are not finite; look at how it was trained"
        )
