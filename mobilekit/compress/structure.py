"""A smaller network from its original class: a structure file gives the shape, a weights file the values.

`describe` writes down in what a pruned (folded, decomposed) network differs from the one it came of,
weights left out: shapes and the indices that were kept, biases that were added, layers that stand for
others, numbers that modules know of themselves, numbers that were rewritten in a traced graph.
`restructure` gives all that to a freshly built original; it neither runs the network nor looks for
channels. Nothing is pickled, and no file can name code to run.
"""

from collections.abc import Mapping

import msgspec
import torch
from torch import Tensor, fx, nn

from mobilekit.compress.graph.rewriting import editable
from mobilekit.compress.graph.surgery import IndexMap
from mobilekit.compress.steps.fold import duplicate
from mobilekit.compress.structuring.differences import differences, named_tensors
from mobilekit.compress.structuring.format import (
    SCHEMA_VERSION,
    Cut,
    Original,
    Structure,
    decoded,
    seal_of,
)
from mobilekit.compress.structuring.giving import exchanged, given, selected
from mobilekit.compress.structuring.graphs import rewrite, rewritten
from mobilekit.compress.structuring.inlined import inlined
from mobilekit.compress.structuring.layers import INSTEAD
from mobilekit.core.errors import ModelError


def describe(before: nn.Module, after: nn.Module, kept: IndexMap | None = None) -> Structure:
    """Write down how a network differs from the one it came of; both are left as found.

    The description is tried before it is returned: a copy of `before` is given it, and must not differ
    from `after` then.

    Args:
        before: the original, such as `resnet18()` makes it.
        after: what pruning, folding and decomposing made of it, in any order.
        kept: which indices were kept, such as `Pruned.kept`, for those who want to relate new channels
            to old ones; after several prunings, `chained` maps. Shapes are known without.

    Raises:
        ModelError: something that cannot be described, or `kept` of another pruning.
    """
    whole, graph = before, None
    if isinstance(after, fx.GraphModule):
        early = {} if isinstance(before, fx.GraphModule) else inlined(before, after)
        whole = _traced(exchanged(duplicate(before), early))
        graph = msgspec.structs.replace(rewritten(whole, after), layers=early)
    found = differences(whole, after)
    original = _original(before)
    cuts, indices = _cuts(whole, found.shapes, kept or {})
    structure = Structure(
        SCHEMA_VERSION,
        original,
        cuts,
        found.added,
        found.layers,
        found.attributes,
        graph,
        indices,
    )
    structure = decoded(msgspec.json.encode(structure), "structure")
    _prove(restructure(before, structure), after)
    return msgspec.structs.replace(structure, seal=seal_of(structure))


def restructure(network: nn.Module, structure: Structure) -> nn.Module:
    """Return a network of the original class in the shape that a structure describes.

    Its parameters then take the smaller network's state dict, `strict=True`. Until then those that were
    cut hold what `network` has at the kept indices (zeros where these are not known), new ones zeros.

    Args:
        network: freshly built, any weights; left as found.
        structure: from `describe` or `read`.

    Returns:
        The same class, in the mode of `network`; an `fx.GraphModule` where numbers in the code were
        rewritten.

    Raises:
        ModelError: the structure is of another network; the first difference is named.
        ArtifactError: a structure at odds with itself.
    """
    check_original(network, structure.original)
    result = duplicate(network)
    if structure.graph is not None:
        traced = _traced(exchanged(result, structure.graph.layers))
        rewrite(traced, structure.graph)
        result = traced
    return given(result, structure)


def check_original(network: nn.Module, original: Original) -> None:
    """Refuse a network that is not the one a structure is of.

    Raises:
        ModelError: naming the first difference.
    """
    kind = type(network).__name__
    if kind != original.kind:
        raise ModelError(f"the network is a {kind}, the structure is of a {original.kind}")
    own = _original(network).tensors
    for name, shape in original.tensors.items():
        if name not in own:
            raise ModelError(f"{name}: the structure's network has it, this {kind} has not")
        if own[name] != shape:
            raise ModelError(
                f"{name}: {list(own[name])} in this {kind}, {list(shape)} in the structure's network"
            )
    more = next((name for name in own if name not in original.tensors), None)
    if more is not None:
        raise ModelError(f"{more}: this {kind} has it, the structure's network has not")


def chained(first: IndexMap, second: IndexMap) -> dict[str, dict[int, Tensor]]:
    """Relate what two prunings in a row have kept to the first network's indices.

    >>> once, twice = {"w": {0: torch.tensor([1, 3, 5])}}, {"w": {0: torch.tensor([0, 2])}}
    >>> chained(once, twice)["w"][0].tolist()
    [1, 5]
    """
    result = {name: dict(cuts) for name, cuts in first.items()}
    for name, cuts in second.items():
        own = result.setdefault(name, {})
        for dimension, indices in cuts.items():
            own[dimension] = own[dimension][indices] if dimension in own else indices
    return result


def _original(network: nn.Module) -> Original:
    tensors = {name: tuple(tensor.shape) for name, tensor in named_tensors(network)}
    return Original(type(network).__name__, tensors)


def _traced(network: nn.Module) -> fx.GraphModule:
    traced = editable(network)
    if traced is None:
        raise ModelError(
            f"{type(network).__name__}: torch.fx cannot trace it, but its smaller one is a traced graph"
        )
    return traced


def _cuts(
    whole: nn.Module, shapes: Mapping[str, tuple[int, ...]], kept: IndexMap
) -> tuple[dict[str, Cut], tuple[tuple[int, ...], ...]]:
    """Describe the tensors of other shapes, and list the indices that they have kept."""
    old = dict(named_tensors(whole))
    aliases: dict[int, list[str]] = {}
    for name, tensor in old.items():
        aliases.setdefault(id(tensor), []).append(name)
    places: dict[tuple[int, ...], int] = {}
    cuts = {}
    for name, shape in shapes.items():
        maps = next((kept[one] for one in aliases[id(old[name])] if one in kept), {})
        lists = {dimension: tuple(maps[dimension].tolist()) for dimension in sorted(maps)}
        if lists and selected(old[name], lists) != shape:
            raise ModelError(f"{name}: the indices that are kept do not make {list(shape)}")
        known = {d: places.setdefault(one, len(places)) for d, one in lists.items()}
        cuts[name] = Cut(shape, known)
    return cuts, tuple(places)


def _prove(rebuilt: nn.Module, after: nn.Module) -> None:
    """Refuse a description that does not lead to the network it is of."""
    found = differences(rebuilt, after).first
    if found is None and isinstance(rebuilt, fx.GraphModule) and isinstance(after, fx.GraphModule):
        edits = rewritten(rebuilt, after).edits
        found = edits[0].node if edits else None
    if found is None and _shared(rebuilt) != _shared(after):
        odd = _shared(rebuilt) ^ _shared(after)
        found = min(name for names in odd for name in names)
    if found is not None:
        raise ModelError(f"{found}: differs in a way that a structure cannot hold; {INSTEAD}")
    values, saved = dict(named_tensors(after)), after.state_dict()
    for name, tensor in rebuilt.named_buffers(remove_duplicate=False):
        if name not in saved and not torch.equal(tensor, values[name]):
            raise ModelError(f"{name}: changed, and is not among the saved weights; {INSTEAD}")


def _shared(network: nn.Module) -> set[frozenset[str]]:
    """Return the names that stand for one tensor, where there are several."""
    names: dict[int, set[str]] = {}
    for name, tensor in named_tensors(network):
        names.setdefault(id(tensor), set()).add(name)
    return {frozenset(one) for one in names.values() if len(one) > 1}
