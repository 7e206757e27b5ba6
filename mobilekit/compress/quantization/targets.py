"""Which weights of a network are quantized, and how: by patterns of their layers' names."""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from mobilekit.compress.sparsity.granularity import of_layer
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.layers import matching
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError, suggestion
from mobilekit.core.quantization import FLOAT, Form, parse

TRAINABLE = (
    "static:int8", "static:int8x16", "dynamic:int8", "dynamic:int4", "weights:int8", "weights:int4",
    *(f"weights:palette{bits}" for bits in (8, 6, 4, 3, 2, 1)),
)  # fmt: skip
"""Forms that a training can prepare for."""
_ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


@dataclass(frozen=True, eq=False)
class Target:
    """One weight that is quantized."""

    name: str
    """Of the parameter, without `.weight`."""
    module: nn.Module
    form: Form
    channels: Grouped
    """Its output channels."""

    @property
    def weight(self) -> nn.Parameter:
        """The parameter itself."""
        assert isinstance(self.channels.weight, nn.Parameter)  # noqa: S101  by `_weights`
        return self.channels.weight


def trainable(words: str, where: str = "quantize_aware") -> Form:
    """Read the words of a form that a training can prepare for.

    Raises:
        RecipeError: no such form, or one that training has no grid for.

    >>> trainable("int8").words
    'static:int8'
    """
    form = parse(words)
    if form.words.removesuffix(":integer-io") not in TRAINABLE:
        raise RecipeError(
            f"{where}: {form.words} is no form to train for; there are {', '.join(TRAINABLE)}."
            f"{suggestion(form.words, TRAINABLE)}"
        )
    return form


def targets(
    network: nn.Module, words: str, layers: Mapping[str, str]
) -> tuple[list[Target], tuple[str, ...]]:
    """Find the weights of convolutions, linear layers and attention; one that is shared counts once.

    Args:
        network: any module.
        words: the form of layers that no pattern names.
        layers: pattern of names → words of a form, or `float`; the last that matches counts.

    Returns:
        What is quantized, and the names of what is left as it is.

    Raises:
        RecipeError: a form that does not exist, or a pattern that matches no layer.
        ModelError: a weight that is computed from others.
        NoEffectError: nothing is to be quantized.
    """
    found: dict[int, tuple[str, nn.Module, Grouped | None]] = {}
    for name, module, channels in _weights(network):
        key = id(channels.weight) if channels is not None else id(module)
        found.setdefault(key, (name, module, channels))
    names = [name for name, _, _ in found.values()]
    for pattern in layers:
        matching(names, (pattern,), "quantize_aware")
    asked = {name: _asked(name, words, layers) for name in names}
    forms = {text: trainable(text) for text in {words, *layers.values()} - {FLOAT}}
    wanted = []
    for name, module, channels in found.values():
        if asked[name] == FLOAT:
            continue
        if channels is None:
            raise ModelError(
                f"quantize_aware: {name}: its weight is computed (parametrized); make that permanent, or"
                f" leave it out: layers = {{ {name!r} = 'float' }}"
            )
        wanted.append(Target(name, module, forms[asked[name]], channels))
    if not wanted:
        raise NoEffectError("quantize_aware: no convolution or linear layer is to be quantized")
    return wanted, tuple(name for name in names if asked[name] == FLOAT)


def _asked(name: str, words: str, layers: Mapping[str, str]) -> str:
    found = [form for pattern, form in layers.items() if fnmatch.fnmatchcase(name, pattern)]
    return found[-1] if found else words


def _weights(network: nn.Module) -> Iterator[tuple[str, nn.Module, Grouped | None]]:
    """Yield names, modules and output channels of all weights; no channels of computed weights."""
    for path, module in network.named_modules():
        if isinstance(module, (_ConvNd, nn.Linear)):
            name = path or "weight"
            if parametrize.is_parametrized(module, "weight") or not isinstance(
                module.weight, nn.Parameter
            ):
                yield name, module, None
            elif isinstance(module, nn.Linear):
                yield name, module, Grouped(f"{path}.weight", module.weight, (1,), layer=path)
            else:
                yield name, module, of_layer("filter", module, path)[0]
        if isinstance(module, nn.MultiheadAttention):
            for attribute in _ATTENTION:
                weight = getattr(module, attribute)
                if weight is not None:
                    name = f"{path}.{attribute}".lstrip(".")
                    yield name, module, Grouped(name, weight, (1,), layer=path)
