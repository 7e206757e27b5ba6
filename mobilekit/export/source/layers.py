"""The text that builds a layer of `torch.nn` as it is: `nn.Conv2d(3, 24, kernel_size=3, bias=False)`."""

import inspect
from typing import Any

import torch
from torch import nn

POSITIONAL = {
    "in_channels", "out_channels", "in_features", "out_features", "num_features",
    "num_groups", "num_channels", "normalized_shape", "output_size", "num_embeddings",
    "embedding_dim", "p", "upscale_factor", "downscale_factor",
}  # fmt: skip
"""Arguments that need no name, where they come first."""
_NOT_WRITTEN = {"device", "dtype", "_weight", "_freeze"}


def constructor(layer: nn.Module) -> str | None:
    """Return the expression that makes a layer like this one, but for its weights.

    None for a module that is no plain layer of `torch.nn`, or that this expression would not make again.
    """
    kind = type(layer)
    plain = kind.__module__.startswith("torch.nn.modules.") and not any(layer.children())
    if (
        not plain
        or getattr(nn, kind.__name__, None) is not kind
        or hasattr(layer, "parametrizations")
    ):
        return None
    for short in (True, False):
        arguments = _arguments(layer, short=short)
        if arguments is None:
            return None
        text = f"nn.{kind.__name__}({', '.join(arguments)})"
        if _makes(text, layer):
            return text
    return None


def _arguments(layer: nn.Module, *, short: bool) -> list[str] | None:
    """Write the arguments that are not the defaults; None if one is not to be had."""
    texts: list[str] = []
    named = False
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        if name in _NOT_WRITTEN or parameter.kind in {
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        }:
            continue
        value = _value(layer, name, parameter.default)
        value = _short(value, parameter.default) if short else value
        if value == parameter.default and type(value) is type(parameter.default):
            named = True
            continue
        text = _literal(value)
        if text is None:
            return None
        texts.append(text if name in POSITIONAL and not named else f"{name}={text}")
    return texts


def _value(layer: nn.Module, name: str, default: Any) -> Any:
    """Return what a layer was built with; something that cannot be written where it does not say."""
    if name == "bias":
        return getattr(layer, "bias", None) is not None
    if name == "init" and isinstance(layer, nn.PReLU):
        return default
    return getattr(layer, name, layer)


def _short(value: Any, default: Any) -> Any:
    """Write `3` for `(3, 3)`, where the default is a number or there is none."""
    if not isinstance(value, tuple) or not value or len(set(value)) > 1:
        return value
    if isinstance(default, int) or (default is inspect.Parameter.empty and len(value) > 1):
        return value[0]
    return value


def _literal(value: Any) -> str | None:
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, (tuple, list)) and all(_literal(one) is not None for one in value):
        return repr(tuple(value) if isinstance(value, torch.Size) else value)
    return None


def _makes(text: str, layer: nn.Module) -> bool:
    """Whether an expression makes a layer with the same attributes and tensors."""
    try:
        made: nn.Module = eval(text, {"nn": nn})  # noqa: S307  our own expression
    except (TypeError, ValueError, RuntimeError):
        return False
    ours = {name: (t.shape, t.dtype) for name, t in layer.state_dict().items()}
    theirs = {
        name: (t.shape, ours.get(name, (0, t.dtype))[1]) for name, t in made.state_dict().items()
    }
    return ours == theirs and made.extra_repr() == layer.extra_repr()
