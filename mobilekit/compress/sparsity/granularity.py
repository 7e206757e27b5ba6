"""How: the structure of the blocks of weights that vanish together.

A granularity is a name and the dimensions that one of its groups spans. Of a convolution these are the
output channel, the input channel and the dimensions of the kernel, whatever the order in the tensor: a
filter of a transposed convolution is what makes one output channel there too. What is shared by all
filters (`shared_kernel`) is shared by the filters of one group of channels, which read the same inputs.

Names and slices: Hubens' thesis, section 3.3.1 and pseudo-code 4.2 for convolutions, 5.1 for linear
layers; `n:m` is Mishra et al. 2021, "Accelerating sparse deep neural networks". Of attention, `weight` and
`n:m` are of all its projections, that of its output among them; `head`, `query`, `key` and `value` of those
that make queries, keys and values.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from torch import nn
from torch.nn.modules.conv import _ConvNd

from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.layers import chosen, parameter_of
from mobilekit.core.choices import CHOICES
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError, suggestion

OUT, IN, HEIGHT, WIDTH, REST, GROUP = "out", "in", "height", "width", "rest", "group"
KERNEL = (REST, HEIGHT, WIDTH)


@dataclass(frozen=True)
class Granularity:
    """A name, and what a group spans of each kind of layer; None where the kind does not have it."""

    name: str
    convolution: tuple[str, ...] | None = None
    linear: tuple[int, ...] | None = None
    attention: bool = False
    block: tuple[int, int] | None = None
    """n:m, at most n weights of m successive inputs are not zero."""

    @property
    def most(self) -> float:
        """Greatest sparsity that it can express, 0–1."""
        return 1 - self.block[0] / self.block[1] if self.block else 1.0


GRANULARITIES = {
    one.name: one
    for one in (
        Granularity("weight", (), (), attention=True),
        Granularity("column", (HEIGHT,), (0,)),
        Granularity("row", (WIDTH,), (1,)),
        Granularity("shared_weight", (OUT,)),
        Granularity("channel", (IN,)),
        Granularity("kernel", KERNEL),
        Granularity("shared_channel", (OUT, IN)),
        Granularity("shared_column", (OUT, HEIGHT)),
        Granularity("shared_row", (OUT, WIDTH)),
        Granularity("vertical_slice", (IN, WIDTH)),
        Granularity("horizontal_slice", (IN, HEIGHT)),
        Granularity("shared_vertical_slice", (OUT, IN, WIDTH)),
        Granularity("shared_horizontal_slice", (OUT, IN, HEIGHT)),
        Granularity("shared_kernel", (OUT, *KERNEL)),
        Granularity("filter", (IN, *KERNEL)),
        Granularity("layer", (GROUP, OUT, IN, *KERNEL), (0, 1)),
        Granularity("head", attention=True),
        Granularity("query", attention=True),
        Granularity("key", attention=True),
        Granularity("value", attention=True),
    )
}
"""Those with a name; `n:m` is made when it is asked for."""
GranularityName = Annotated[str, Meta(extra={CHOICES: (*GRANULARITIES, "n:m (such as 2:4)")})]
_BLOCK = re.compile(r"(\d{1,4}):(\d{1,4})")


def granularity(name: str) -> Granularity:
    """Find a granularity by its name, or make one of the form `n:m`.

    Raises:
        RecipeError: there is none; the nearest names are suggested.

    >>> granularity("filter").convolution
    ('in', 'rest', 'height', 'width')
    >>> granularity("2:4").most
    0.5
    """
    found = _BLOCK.fullmatch(name)
    if found:
        kept, size = int(found[1]), int(found[2])
        if not 0 < kept < size:
            raise RecipeError(
                f"granularity {name!r}: of m successive weights n stay, 0 < n < m, such as 2:4"
            )
        return Granularity(name, (), (), attention=True, block=(kept, size))
    if name not in GRANULARITIES:
        raise RecipeError(
            f"unknown granularity {name!r}; there are {', '.join(GRANULARITIES)} and n:m."
            f"{suggestion(name, GRANULARITIES)}"
        )
    return GRANULARITIES[name]


def groups_of(
    network: nn.Module, name: str, layers: Collection[str] = (), without: Collection[str] = ()
) -> list[Grouped]:
    """Find the groups of a network.

    Without patterns, all layers of the kinds that have the granularity are meant. A weight that several
    modules share counts once, and one that does not train (`requires_grad`) not at all. Of a parametrized
    weight (fake quantization) the stored one is meant.

    Args:
        network: any module.
        name: of the granularity.
        layers: patterns of names, such as `features.*`.
        without: patterns of names of layers that are left alone.

    Returns:
        One per weight, in the order of the modules; filter k of a layer makes its output channel k.

    Raises:
        RecipeError: an unknown granularity, or a pattern that matches no layer.
        ModelError: a layer that does not have the granularity; its name is given.
        NoEffectError: no layer that trains is left.
    """
    kind = granularity(name)
    known: dict[str, nn.Module] = {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, (_ConvNd, nn.Linear, nn.MultiheadAttention))
        and not isinstance(module, nn.modules.linear.NonDynamicallyQuantizableLinear)
    }
    if not layers:
        known = {path: module for path, module in known.items() if _has(kind, module)}
    wanted = chosen(known, layers, without, name)
    found: dict[tuple[int, tuple[int, int] | None], Grouped] = {}
    for path, module in wanted.items():
        for one in _of_layer(kind, path, module):
            if one.weight.requires_grad:
                found.setdefault((id(one.weight), one.part), one)
    if not found:
        raise NoEffectError(
            f"{name}: no layer that trains has this granularity; check the patterns and requires_grad"
        )
    return list(found.values())


def of_layer(name: str, module: nn.Module, path: str = "") -> list[Grouped]:
    """Return the groups of one layer.

    Raises:
        RecipeError: an unknown granularity.
        ModelError: the layer does not have it.

    >>> [filters] = of_layer("filter", nn.ConvTranspose2d(4, 6, 3, groups=2))
    >>> filters.count, filters.size  # 6 output channels, each from 2 of 4 inputs
    (6, 18)
    """
    return _of_layer(granularity(name), path, module)


def _has(kind: Granularity, module: nn.Module) -> bool:
    if isinstance(module, _ConvNd):
        return kind.convolution is not None
    if isinstance(module, nn.Linear):
        return kind.linear is not None
    return kind.attention


def _of_layer(kind: Granularity, path: str, module: nn.Module) -> list[Grouped]:
    if not _has(kind, module):
        have = [each.name for each in GRANULARITIES.values() if _has(each, module)]
        raise ModelError(
            f"{path or 'the layer'}: a {type(module).__name__} has no granularity {kind.name!r}; it has"
            f" {', '.join(have)}"
        )
    if isinstance(module, _ConvNd):
        return [_convolution(kind, path, module)]
    if isinstance(module, nn.Linear):
        name, weight = parameter_of(path, module)
        if kind.block:
            return [_blocks(kind.block, Grouped(name, weight, (), layer=path), 1)]
        return [Grouped(name, weight, kind.linear or (), layer=path)]
    assert isinstance(module, nn.MultiheadAttention)  # noqa: S101  the third kind
    if kind.block or kind.name == "weight":
        return _projections(kind, path, module)
    return [_attention(kind, path, module)]


def _convolution(kind: Granularity, path: str, module: _ConvNd) -> Grouped:
    name, weight = parameter_of(path, module)
    first, second, *kernel = weight.shape
    spans = kind.convolution or ()
    if len(kernel) == 1 and (HEIGHT in spans) != (WIDTH in spans):
        raise ModelError(
            f"{path or 'the layer'}: {kind.name!r} tells height from width, which a"
            f" {type(module).__name__} does not have; take kernel or channel"
        )
    inner = (IN, OUT) if module.transposed else (OUT, IN)
    axes = (GROUP, *inner, *(REST, HEIGHT, WIDTH)[-len(kernel) :])
    shape = (module.groups, first // module.groups, second, *kernel)
    if kind.block:
        return _blocks(kind.block, Grouped(name, weight, (), shape, layer=path), axes.index(IN))
    dims = tuple(dim for dim, axis in enumerate(axes) if axis in spans)
    if module.groups > 1:
        return Grouped(name, weight, dims, shape, layer=path)
    return Grouped(name, weight, tuple(dim - 1 for dim in dims if dim), layer=path)


def _blocks(block: tuple[int, int], each: Grouped, dimension: int) -> Grouped:
    """View the inputs as blocks of m."""
    view, size = each.view(), block[1]
    if view.shape[dimension] % size:
        raise ModelError(
            f"{each.layer or 'the layer'}: {block[0]}:{size} needs inputs in blocks of {size}, but it has"
            f" {view.shape[dimension]}; leave it out by its name"
        )
    before, inputs, after = (
        view.shape[:dimension],
        view.shape[dimension],
        view.shape[dimension + 1 :],
    )
    shape = (*before, inputs // size, size, *after)
    return Grouped(each.name, each.weight, (), shape, layer=each.layer, within=dimension + 1)


def _projections(kind: Granularity, path: str, module: nn.MultiheadAttention) -> list[Grouped]:
    """Return the single weights, or the blocks of inputs, of every matrix of an attention."""
    separate = module.in_proj_weight is None
    inner = ("q_proj_weight", "k_proj_weight", "v_proj_weight") if separate else ("in_proj_weight",)
    places: list[tuple[str, nn.Module, str]] = [(path, module, attribute) for attribute in inner]
    places.append((f"{path}.out_proj".lstrip("."), module.out_proj, "weight"))
    made = [Grouped(*parameter_of(*place), (), layer=path) for place in places]
    return [_blocks(kind.block, each, 1) for each in made] if kind.block else made


def _attention(kind: Granularity, path: str, module: nn.MultiheadAttention) -> Grouped:
    heads, width = module.num_heads, module.embed_dim // module.num_heads
    place = {"query": 0, "key": 1, "value": 2}.get(kind.name)
    if not module.kdim == module.vdim == module.embed_dim:
        if place is None:
            raise ModelError(
                f"{path or 'the layer'}: its queries, keys and values lie in three weights, so a head is no"
                " group of one; take query, key or value"
            )
        attribute = ("q_proj_weight", "k_proj_weight", "v_proj_weight")[place]
        name, weight = parameter_of(path, module, attribute)
        return Grouped(name, weight, (1, 2), (heads, width, weight.shape[1]), layer=path)
    name, weight = parameter_of(path, module, "in_proj_weight")
    embedding = module.embed_dim
    if place is None:
        return Grouped(name, weight, (0, 2, 3), (3, heads, width, embedding), layer=path)
    part = (place * embedding, embedding)
    return Grouped(name, weight, (1, 2), (heads, width, embedding), part, path)
