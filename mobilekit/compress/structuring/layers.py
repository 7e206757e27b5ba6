"""A module that stands in the place of another: written down as a few options, and made again."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.attention import OpenAttention, can_open
from mobilekit.compress.structuring.format import Kind, Layer, Option
from mobilekit.core.errors import ArtifactError, ModelError

INSTEAD = "save the program or the source instead"
_WINDOW = (
    "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups",
    "padding_mode",
)  # fmt: skip
_NORM = ("num_features", "eps", "momentum", "affine", "track_running_stats")
_OPTIONS: dict[type[nn.Module], tuple[str, ...]] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _WINDOW),
    **dict.fromkeys(
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), (*_WINDOW, "output_padding")
    ),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _NORM),
    nn.Linear: ("in_features", "out_features"),
    nn.Identity: (),
}
_KINDS = {kind.__name__: kind for kind in _OPTIONS}


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a text or nothing, or a tuple or list of such."""
    if isinstance(value, (tuple, list)):
        return all(isinstance(one, (bool, int, float, str, type(None))) for one in value)
    return isinstance(value, (bool, int, float, str, type(None)))


def same_class(one: object, two: object) -> bool:
    """Whether two objects are of classes of the same name: each graph module has a class of its own."""
    first, second = type(one), type(two)
    return (first.__module__, first.__qualname__) == (second.__module__, second.__qualname__)


def written(path: str, new: nn.Module, old: nn.Module | None) -> Layer:
    """Describe a module that stands in the place of `old`.

    Raises:
        ModelError: a class that is not of the few that can be.
    """
    kind = type(new)
    if kind is nn.Sequential:
        inside = {} if old is None else dict(old.named_children())
        parts = {}
        for name, child in new.named_children():
            former = inside.get(name)
            kept = former is not None and same_class(former, child)
            parts[name] = Layer("kept") if kept else written(f"{path}.{name}", child, None)
        return Layer("Sequential", parts=parts)
    if kind is OpenAttention and old is not None and can_open(old):
        return Layer("OpenAttention")
    if kind not in _OPTIONS:
        was = "" if old is None else f" instead of {type(old).__name__}"
        place = path or "the network"
        raise ModelError(f"{place}: a structure cannot hold {kind.__name__}{was}; {INSTEAD}")
    options: dict[str, Option] = {name: getattr(new, name) for name in _OPTIONS[kind]}
    if "bias" in new._parameters and not isinstance(new, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001
        options["bias"] = new.bias is not None
    return Layer(cast("Kind", kind.__name__), options)


def made(path: str, layer: Layer, old: nn.Module, like: Tensor) -> nn.Module:
    """Make a module that stands in the place of `old`; new weights are zeros.

    Args:
        path: of the module, for errors.
        layer: what to make.
        old: the module that is replaced; its children may be taken over.
        like: new floating-point weights have its type and device.

    Raises:
        ArtifactError: options that its class does not take.
    """
    if layer.kind == "OpenAttention":
        if not (isinstance(old, nn.MultiheadAttention) and can_open(old)):
            raise ArtifactError(f"{path}: no multi-head attention that can be opened")
        return OpenAttention(old)
    if layer.kind == "Sequential":
        parts = {name: _part(path, name, part, old, like) for name, part in layer.parts.items()}
        result: nn.Module = nn.Sequential()
        for name, part in parts.items():
            result.add_module(name, part)
    else:
        result = _plain(path, layer, like)
    result.training = old.training
    return result


def _part(path: str, name: str, layer: Layer, old: nn.Module, like: Tensor) -> nn.Module:
    if layer.kind != "kept":
        return made(f"{path}.{name}", layer, old, like)
    former = dict(old.named_children()).get(name)
    if former is None:
        raise ArtifactError(f"{path}: the original has no {name} inside that could be kept")
    return former


def _plain(path: str, layer: Layer, like: Tensor) -> nn.Module:
    kind: Any = _KINDS.get(layer.kind)
    if kind is None or not layer.options.keys() <= {*_OPTIONS[kind], "bias"}:
        raise ArtifactError(f"{path}: no {layer.kind} can be made of {sorted(layer.options)}")
    if kind is nn.Identity:
        return nn.Identity()
    try:
        result: nn.Module = kind(**layer.options, device="meta", dtype=like.dtype)
    except (TypeError, ValueError, RuntimeError) as problem:
        words = " ".join(str(problem).split())[:120]
        raise ArtifactError(f"{path}: no {layer.kind} can be made so: {words}") from problem
    result.to_empty(device=like.device)
    with torch.no_grad():
        for tensor in (*result.parameters(), *result.buffers()):
            tensor.zero_()
    return result
