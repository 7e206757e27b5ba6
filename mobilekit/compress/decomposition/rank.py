"""Which ranks: a share of the full ones, of the energy, or of the parameters."""

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mobilekit.core.errors import RecipeError

Ranks = tuple[int, ...]
Scope = Literal["layer", "network"]

_ROUNDING = 1e-9
"""0.29 × 100 is 28.999999999999996 in floating point, and means 29."""


@dataclass(frozen=True)
class Fraction:
    """A share (0–1] of each full rank, rounded down, at least 1."""

    share: float

    def __post_init__(self) -> None:
        _check("rank", self.share)


@dataclass(frozen=True)
class Energy:
    """The least ranks that keep this share (0–1] of each layer's squared weights."""

    share: float

    def __post_init__(self) -> None:
        _check("energy", self.share)


@dataclass(frozen=True)
class Budget:
    """The largest ranks with at most this share (0–1] of the parameters, of each layer or of all."""

    share: float
    scope: Scope = "network"

    def __post_init__(self) -> None:
        _check("budget", self.share)


Amount = Fraction | Energy | Budget


@dataclass(frozen=True)
class Rung:
    """One choice of ranks for a layer."""

    ranks: Ranks
    parameters: int
    dropped: float
    """Share of the squared weights that goes; with two ranks the sum of both, an upper bound."""
    loss: float
    """−log of the share kept, summed over the ranks."""


def fraction_of(full: Ranks, share: float) -> Ranks:
    """Return that share of each rank.

    >>> [fraction_of((102,), kept) for kept in (0.75, 0.5, 0.25, 0.001)]
    [(76,), (51,), (25,), (1,)]
    """
    return tuple(max(1, math.floor(share * rank * (1 + _ROUNDING))) for rank in full)


def ladder(spectra: Sequence[Tensor], count: Callable[[Ranks], int]) -> list[Rung]:
    """List choices of ranks from the full ones to 1, each one less in one rank.

    Where there are several ranks, the one with the smaller loss per parameter saved goes down.

    Args:
        spectra: for each rank the energies, largest first.
        count: says how many parameters ranks make.

    >>> rungs = ladder([torch.tensor([6.0, 3.0, 1.0])], lambda ranks: 10 * ranks[0])
    >>> [(rung.ranks, rung.parameters, round(rung.dropped, 3)) for rung in rungs]
    [((3,), 30, 0.0), ((2,), 20, 0.1), ((1,), 10, 0.4)]
    """
    tails = [_tails(spectrum) for spectrum in spectra]
    ranks = tuple(len(spectrum) for spectrum in spectra)
    rungs = [_rung(ranks, tails, count)]
    while max(ranks) > 1:
        below = [
            _rung((*ranks[:mode], rank - 1, *ranks[mode + 1 :]), tails, count)
            for mode, rank in enumerate(ranks)
            if rank > 1
        ]
        rungs.append(min(below, key=lambda rung: _price(rungs[-1], rung)))
        ranks = rungs[-1].ranks
    return rungs


def keeping(rungs: Sequence[Rung], energy: float) -> Rung:
    """Return the lowest rung that keeps a share of the energy; at 1, only zeros go.

    Energies below the rounding of float64, (rank × 2.2e-16)² of the whole, count as zero.
    """
    zero = (max(rungs[0].ranks) * torch.finfo(torch.float64).eps) ** 2
    return [rung for rung in rungs if rung.dropped <= 1 - energy + zero][-1]


def allowed(parameters: int, share: float) -> int:
    """Return how many parameters a share of some is, rounded down.

    >>> allowed(100, 0.29)
    29
    """
    return math.floor(share * parameters * (1 + _ROUNDING))


def within(rungs: Sequence[Rung], parameters: int) -> Rung | None:
    """Return the highest rung with at most so many parameters, or None if even the lowest has more."""
    return next((rung for rung in rungs if rung.parameters <= parameters), None)


def share_out(
    ladders: Sequence[Sequence[Rung]], before: Sequence[int], excess: int
) -> list[Rung | None]:
    """Go down ladders until `excess` parameters are saved, each time where the loss for it is least.

    The loss of a network is that of Zhang et al. 2016 (rank selection for whole-model acceleration): the
    product of the shares of energy that the layers keep; here its logarithm, of the weights instead of
    the responses, and per parameter instead of per operation. A layer's next
    stop is the rung with the least loss per parameter saved from where it is, so that it also gets
    across the rungs that save nothing; the last stop goes no further than it must.

    Args:
        ladders: from the full ranks down, one per layer.
        before: parameters of each layer as it is.
        excess: how many parameters are to go, in all.

    Returns:
        A rung per layer, None for a layer that stays; all of them the lowest if that is not enough.
    """
    at: list[Rung] = [Rung((), count, 0.0, 0.0) for count in before]
    stops = [_stops(start, rungs) for start, rungs in zip(at, ladders, strict=True)]
    heap = [(_price(*way[:2]), layer, 1) for layer, way in enumerate(stops) if len(way) > 1]
    heapq.heapify(heap)
    while heap and excess > 0:
        _, layer, number = heapq.heappop(heap)
        start, stop = at[layer], stops[layer][number]
        if start.parameters - stop.parameters > excess:
            stop = within(ladders[layer], start.parameters - excess) or stop
        at[layer] = stop
        excess -= start.parameters - stop.parameters
        if number + 1 < len(stops[layer]):
            price = _price(*stops[layer][number : number + 2])
            heapq.heappush(heap, (price, layer, number + 1))
    return [rung if rung.ranks else None for rung in at]


def _check(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise RecipeError(f"decompose.{name}: expected a share above 0, at most 1; found {share}")


def _tails(spectrum: Tensor) -> list[float]:
    """Return the share of the energy beyond each rank, 0 to full; small ones are added first."""
    sums = [0.0, *itertools.accumulate(reversed(spectrum.tolist()))]
    return [value / sums[-1] if sums[-1] else 0.0 for value in reversed(sums)]


def _rung(ranks: Ranks, tails: list[list[float]], count: Callable[[Ranks], int]) -> Rung:
    dropped = [tail[rank] for tail, rank in zip(tails, ranks, strict=True)]
    loss = -sum(math.log1p(-share) for share in dropped)
    return Rung(ranks, count(ranks), sum(dropped), loss)


def _stops(start: Rung, rungs: Sequence[Rung]) -> list[Rung]:
    """Keep the rungs at which the price rises: the lower convex hull of loss over parameters saved."""
    way = [start]
    for rung in rungs:
        if rung.parameters >= way[-1].parameters:
            continue
        while len(way) > 1 and _price(way[-2], way[-1]) > _price(way[-1], rung):
            way.pop()
        way.append(rung)
    return way


def _price(above: Rung, below: Rung) -> float:
    """Return the loss per parameter saved; a step that saves nothing costs all or nothing."""
    saved, loss = above.parameters - below.parameters, below.loss - above.loss
    if saved > 0:
        return loss / saved
    return 0.0 if loss <= 0 else math.inf
