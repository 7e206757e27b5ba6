"""Where the classes of a network are: the outputs with a dimension of classes, and what makes it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilekit.compress.specialization.tracing import ClassGraph
from mobilekit.core.errors import ModelError


@dataclass(frozen=True)
class Head:
    """An output with one entry per class along a dimension."""

    output: str
    """Name of the output."""
    channels: Tensor
    """Channels of each class, shape `[C, n]`; n = 1 unless places have weights of their own."""


@dataclass(frozen=True)
class Traced:
    """One run of a network, and the heads that it shows."""

    graph: ClassGraph
    heads: tuple[Head, ...]
    others: tuple[tuple[str, Tensor], ...]
    """Outputs without a dimension of classes, each with its channels, shape `[n]`."""


def trace(network: nn.Module, inputs: Sequence[Tensor], count: int) -> list[Traced]:
    """Find the heads of a network, also those that only its training sees (auxiliary ones).

    A second run follows the code for training where the first leaves parameters with a row per class
    unread.

    Args:
        network: any module; it is left as found.
        inputs: examples of its positional inputs.
        count: of classes.

    Raises:
        ModelError: the network cannot be traced, or no output has that many classes.
    """
    found = [_traced(ClassGraph(network, inputs, training=False), count)]
    read = set(found[0].graph.record.names.values())
    unread = [
        name
        for name, parameter in network.named_parameters()
        if name not in read and parameter.ndim and len(parameter) == count
    ]
    if unread:
        found.append(_traced(_trained(network, inputs, unread[0]), count))
    if not any(one.heads for one in found):
        raise ModelError(_missing(found[0].graph, count))
    return found


def _trained(network: nn.Module, inputs: Sequence[Tensor], unread: str) -> ClassGraph:
    try:
        return ClassGraph(network, inputs, training=True)
    except ModelError as problem:
        raise ModelError(
            f"specialize: {unread} has a row per class but is read in training only, which cannot be"
            f" followed; remove that head first: {problem}"
        ) from problem


def _traced(graph: ClassGraph, count: int) -> Traced:
    made = torch.zeros(graph.channels.count, dtype=torch.bool)
    for axis in graph.writers:
        made[graph.channels_of(axis)] = True
    heads, others = [], []
    for name, value in zip(graph.outputs, graph.record.outputs, strict=True):
        parts = graph.components(value)
        shape = graph.record.shape(value)
        for dimension in dict.fromkeys((min(1, len(shape) - 1), len(shape) - 1)):
            along = [p for p in parts if p.ndim and p.shape[dimension] == count > 1]
            rows = [part.movedim(dimension, 0).reshape(count, -1) for part in along]
            if rows and bool(made[rows[0]].all()):
                heads.append(Head(name, rows[0]))
                break
        else:
            flat = [part.reshape(-1) for part in parts]
            others.append((name, torch.cat(flat) if flat else torch.zeros(0, dtype=torch.long)))
    return Traced(graph, tuple(heads), tuple(others))


def _missing(graph: ClassGraph, count: int) -> str:
    """Say which numbers of classes the outputs have."""
    shapes = [graph.record.shape(value) for value in graph.record.outputs]
    if shapes and all(len(shape) < 2 or math.prod(shape[1:2]) == 1 for shape in shapes):
        return (
            f"specialize: {count} classes, but the network gives a single logit (sigmoid): there is no"
            " row per class to cut"
        )
    listed = ", ".join(
        f"{name} {list(shape)}" for name, shape in zip(graph.outputs, shapes, strict=True)
    )
    lost = [
        f"{name}: {'; '.join(reasons)}"
        for name in graph.parameters
        for axis in graph.axes_of(name)
        if (reasons := graph.channels.reasons(graph.channels_of(axis).tolist()))
        and len(graph.atoms(axis)) == count
    ]
    if lost and any(count in shape[1:] for shape in shapes):
        return (
            f"specialize: the classes cannot be followed to the outputs ({lost[0]}); use plain layers"
            " there"
        )
    made = {shape[1] for shape in shapes if len(shape) > 1 and shape[1] > 1}
    if len(made) == 1 and count not in made:
        return (
            f"specialize: {count} classes are named, but the network has {made.pop()} (its outputs are"
            f" {listed}); name every class in the network's order, the background too"
        )
    return (
        f"specialize: {count} classes are named, but no output has {count} that a linear layer or a"
        f" convolution makes; the outputs are {listed}: name every class, the background too"
    )
