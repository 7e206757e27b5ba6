"""Specialize a network on some of its classes.

What it does:
    Follows the values of one recorded run back from every output with one entry per class to the linear
    layers and convolutions that make them, and cuts the rows of the classes that go: of the main head, of
    auxiliary ones, of all that are summed, and of what lies between them and the output. Detectors of
    torchvision are cut by the names of their heads. The rows that stay keep their bits, so the logits of
    the kept classes are what they were. A softmax is then taken over fewer classes: probabilities are
    those given that one of the kept classes is right.

When to use it:
    Where an application needs a few of the classes that a network knows; before pruning and training on
    images of those classes, since a network with fewer classes needs fewer channels.

When not:
    For classes that the network has not learnt: that is transfer, with a new head.

Source:
    Berthelier 2021, thesis, chapter 4: specialization on subclasses by training on them while kernels are
    removed. There the head keeps its size; to cut it first, exactly, is our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from mobilekit.compress.graph.surgery import cut
from mobilekit.compress.specialization import detection
from mobilekit.compress.specialization.cutting import without
from mobilekit.compress.specialization.heads import trace
from mobilekit.compress.specialization.selection import select
from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import RecipeError


@dataclass(frozen=True)
class Specialized:
    """A network with fewer classes."""

    network: nn.Module
    classes: tuple[str, ...]
    """Names, by new number: the background first, if there is one, then the others in their old order."""
    index: tuple[int, ...]
    """Old number of each new class."""
    heads: tuple[str, ...]
    """Names of the parameters and buffers that were cut."""
    outputs: tuple[str, ...]
    """Names of the outputs that have fewer classes now, auxiliary ones included."""
    renormalized: bool
    """Whether a softmax over the classes is part of the network: it sums to 1 over the kept ones."""


def specialize(
    network: nn.Module,
    inputs: Sequence[Tensor],
    classes: Sequence[str],
    keep: Sequence[str],
    background: str | int | None = None,
) -> Specialized:
    """Cut every head of a network to some of its classes.

    Args:
        network: a classifier (`[N, C]`), a segmentation network (`[N, C, H, W]`) or a detector of
            torchvision; it is left as found, the result is a copy in the same modes.
        inputs: examples of its positional inputs; only shapes and types matter. Unused for detectors.
        classes: names of all classes, by number, the background too if the network has one.
        keep: names of the classes that stay.
        background: name or number of the class that always stays and becomes class 0; None for class 0
            if it is called `background` or `__background__`, and for what a detector has.

    Raises:
        RecipeError: names that are unknown, ambiguous or repeated, or nothing kept.
        NoEffectError: every class is kept.
        ModelError: no output has that many classes, or something besides the outputs depends on those
            that go.
    """
    detector = detection.find(network)
    if detector is not None:
        return _detector(detector, network, classes, keep, background)
    whole = duplicate(network)
    traces = trace(whole, inputs, len(classes))  # refuses another number of names before any name
    chosen = select(classes, keep, background)
    smaller, kept = without(whole, inputs, traces, chosen.index)
    heads = [(one.graph, head) for one in traces for head in one.heads]
    return Specialized(
        network=smaller,
        classes=chosen.classes,
        index=chosen.index,
        heads=tuple(kept),
        outputs=tuple(dict.fromkeys(head.output for _, head in heads)),
        renormalized=any(bool(graph.renormalized[head.channels].any()) for graph, head in heads),
    )


def _detector(
    detector: detection.Detector,
    network: nn.Module,
    classes: Sequence[str],
    keep: Sequence[str],
    background: str | int | None,
) -> Specialized:
    if detector.background:
        background = _first(classes, background)
    whole = duplicate(network)
    detection.check_count(detector, whole, len(classes))
    chosen = select(classes, keep, background)
    kept = detection.rows(detector, whole, len(classes), chosen.index)
    smaller = cut(whole, kept)
    detection.recount(detector, smaller, len(chosen.index))
    return Specialized(
        network=smaller,
        classes=chosen.classes,
        index=chosen.index,
        heads=tuple(kept),
        outputs=detector.outputs,
        renormalized=detector.background,
    )


def _first(classes: Sequence[str], background: str | int | None) -> int:
    if background is None or background == 0 or (classes and background == classes[0]):
        return 0
    raise RecipeError(
        f"specialize: background is {background!r}, but in this detector it is always class 0"
    )
