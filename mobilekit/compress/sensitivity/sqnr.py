"""How far the outputs move: the signal-to-error ratio against the untouched network."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mobilekit.compress.graph.untouched import evaluating
from mobilekit.compress.sensitivity.measure import SQNR, Measure
from mobilekit.core.errors import ModelError


def sqnr(
    network: nn.Module, batches: Sequence[tuple[Tensor, ...]], provenance: str = ""
) -> Measure:
    """Measure 10 · log10(Σ y² / Σ (y − ŷ)²) in dB, y being the outputs of the network as it is now.

    The sums run over all batches. Of several outputs the least ratio counts; outputs of whole numbers are
    not looked at. Where nothing differs, it is infinite.

    Args:
        network: is run once, and left as found.
        batches: positional inputs of the network, each a batch `[N, ...]`.
        provenance: where they come from.

    Raises:
        ModelError: no batch, no output of real numbers, or outputs that are not finite or all zero.
    """
    if not batches:
        raise ModelError("sensitivity: an SQNR needs inputs of the network, and there are none")
    with evaluating(network):
        expected = [_outputs(network(*batch)) for batch in batches]
    for i in range(len(expected[0])):
        energy = sum(float(one[i].double().square().sum()) for one in expected)
        if not math.isfinite(energy):
            raise ModelError(
                "sensitivity: the network's outputs are not all finite numbers; mend the network or its"
                " inputs first"
            )
        if energy == 0:
            raise ModelError(
                "sensitivity: an output of the network is zero on all inputs, so an SQNR says nothing;"
                " give other images, or labelled data"
            )

    def value(other: nn.Module) -> float:
        signal = [0.0] * len(expected[0])
        error = [0.0] * len(expected[0])
        for batch, kept in zip(batches, expected, strict=True):
            for i, (one, two) in enumerate(_pairs(kept, _outputs(other(*batch)))):
                signal[i] += float(one.square().sum())
                error[i] += float((one - two).square().sum())
        return min(decibels(*energies) for energies in zip(signal, error, strict=True))

    return Measure(SQNR, value, "greater", provenance)


def decibels(signal: float, error: float) -> float:
    """Return the ratio of two energies in dB.

    >>> decibels(100.0, 1.0), decibels(1.0, 0.0)
    (20.0, inf)
    """
    if math.isnan(error):
        return math.nan
    return math.inf if error == 0 else 10 * math.log10(signal / error)


def _pairs(kept: list[Tensor], found: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Return the outputs side by side, float64."""
    if [one.shape for one in kept] != [one.shape for one in found]:
        raise ModelError(
            "sensitivity: the shapes of the outputs depend on the weights (boxes, for example), so an SQNR"
            " has no meaning; give labelled data"
        )
    return ((one.double(), two.double()) for one, two in zip(kept, found, strict=True))


def _outputs(value: Any) -> list[Tensor]:
    """Return the tensors of real numbers in what a network returns.

    Raises:
        ModelError: there is none.
    """
    found = [one.detach() for one in _tensors(value) if one.is_floating_point()]
    if not found:
        raise ModelError("sensitivity: the network returns no real numbers; give labelled data")
    return found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors(one)
