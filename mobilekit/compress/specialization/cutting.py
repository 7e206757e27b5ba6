"""Cut the rows of classes that go, wherever they are, and prove that nothing else depends on them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.surgery import cut, index_map, misfit
from mobilekit.compress.specialization.heads import Traced
from mobilekit.compress.specialization.tracing import ClassGraph, behaving
from mobilekit.core.errors import ModelError

Kept = dict[str, dict[int, Tensor]]
"""Per parameter and dimension that is cut: the old index of each new one."""

COUNTS = ("num_classes", "n_classes", "num_labels")
"""Attributes in which modules remember how many classes there are."""


def without(
    network: nn.Module, inputs: Sequence[Tensor], traces: Sequence[Traced], index: Sequence[int]
) -> tuple[nn.Module, Kept]:
    """Return a copy that has the classes of `index` only, in that order, and what was cut.

    Raises:
        ModelError: something besides the outputs depends on the other classes, or on their number.
    """
    kept: Kept = {}
    gone = []
    for one in traces:
        removed = _removed(one, index)
        gone.append(removed)
        for name, cuts in index_map(one.graph, removed).items():
            for dimension, stays in cuts.items():
                ordered = _ordered(one, name, dimension, stays, index)
                first = kept.setdefault(name, {}).setdefault(dimension, ordered)
                if not torch.equal(first, ordered):
                    raise ModelError(f"specialize: {name} holds other classes in training")
    smaller = cut(network, kept)
    before = next(len(head.channels) for one in traces for head in one.heads)
    recount(smaller, before, len(index))
    for one, removed in zip(traces, gone, strict=True):
        with behaving(smaller, training=one.graph.training):
            wrong = misfit(one.graph, smaller, inputs, removed)
        if wrong is not None:
            call = one.graph.record.calls[wrong]
            raise ModelError(
                f"specialize: {call.name} at {call.source or call.module or 'the network'}: the code"
                " fixes the number of classes; take it from the tensor's shape there"
            )
    return smaller, kept


def recount(network: nn.Module, before: int, after: int) -> None:
    """Let the modules that remember the number of classes remember the new one."""
    for module in network.modules():
        for name in COUNTS:
            if module.__dict__.get(name) == before:
                setattr(module, name, after)


def _removed(one: Traced, index: Sequence[int]) -> Tensor:
    """Return which channels go, shape `[channels]`, after making sure that only outputs miss them."""
    graph = one.graph
    removed = torch.zeros(graph.channels.count, dtype=torch.bool)
    stays = torch.zeros_like(removed)
    for head in one.heads:
        going = torch.ones(len(head.channels), dtype=torch.bool)
        going[list(index)] = False
        removed[head.channels[going]] = True
        stays[head.channels[~going]] = True
    both = [head for head in one.heads if bool((removed & stays)[head.channels].any())]
    if both:
        raise ModelError(
            f"specialize: {both[0].output}: some classes cannot go without others: groups, or a view"
            " of rows and places at once, tie them"
        )
    for name, channels in one.others:
        if bool(removed[channels].any()):
            raise ModelError(
                f"specialize: {name}: an output that holds the classes too, but has another number of"
                " entries; leave it out"
            )
    _check_alone(graph, removed)
    return removed


def _check_alone(graph: ClassGraph, removed: Tensor) -> None:
    for reading in graph.readings:
        if bool(removed[graph.channels_of(reading.axis)].any()):
            raise ModelError(
                f"specialize: {reading.axis.parameter} reads the classes: what it gives changes when some"
                " of them go"
            )
    for channels, why in graph.reasons:
        if bool(removed[channels].any()):
            raise ModelError(f"specialize: the classes depend on one another: {why}")
    mixing = graph.mixing(removed)
    if mixing is not None:
        raise ModelError(
            f"specialize: {mixing.name} at {mixing.source or mixing.module or 'the network'}: a softmax over"
            " the classes is mixed with other values of theirs: over fewer classes it changes those that"
            " stay"
        )
    pinned = (removed & graph.channels.pinned).nonzero().reshape(-1)
    if len(pinned):
        reasons = "; ".join(graph.channels.reasons(pinned.tolist()))
        raise ModelError(f"specialize: the classes cannot go: {reasons}")


def _ordered(one: Traced, name: str, dimension: int, stays: Tensor, index: Sequence[int]) -> Tensor:
    """Bring the indices that stay into the order of the new classes."""
    if list(index) == sorted(index):
        return stays
    axis = next(axis for axis in one.graph.axes_of(name) if axis.dimension == dimension)
    rows = one.graph.channels_of(axis)
    for head in one.heads:
        wanted = head.channels[list(index)]
        if wanted.shape[1] == 1 and len(stays) == len(index):
            places = (rows.reshape(1, -1) == wanted).nonzero()
            if len(places) == len(index):
                return places[:, 1]
    raise ModelError(
        f"specialize: {name} has several rows per class, which can be cut but not brought into another"
        " order; make the background class 0"
    )
