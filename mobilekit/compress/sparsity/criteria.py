"""What: how much a group of weights matters; the groups with the lowest scores go first.

A criterion gives a number per weight, of which a group's score is the mean; `fpgm` and
`batch_norm_scale` give one per filter. Weights that are zero by pruning are not looked at again.

Source: Hubens' thesis, section 3.3.3 and pseudo-codes 4.4 and 4.5; its code takes |−W| for the `small_`
criteria, which is what `large_` does: here the sign stays, so that the small ones stay. `taylor` is
Molchanov et al. 2017, equation 1 in its first order, per weight as in Lee et al. 2019 (SNIP), equation 3:
|g · w|, where the thesis prints g · w² (3.10); `gradient` is |g| (3.11, whose divisor changes no order).
`fpgm` is He et al. 2019, equation 6; `batch_norm_scale` Liu et al. 2017, "network slimming".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from msgspec import Meta
from torch import Tensor

from mobilekit.core.choices import CHOICES
from mobilekit.core.errors import RecipeError, suggestion

Needs = Literal["nothing", "reference", "gradient", "generator", "scale"]
Formula = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Criterion:
    """A name, a formula, and what it needs beside the weights."""

    name: str
    formula: Formula
    """Of the weights and of what it needs, in the shape of the weights (or one per filter)."""
    needs: Needs = "nothing"
    updating: bool = False
    """The reference is what the weights were at the last pruning, not at the beginning."""
    by_filter: bool = False


def _filters_apart(weight: Tensor, _: Tensor) -> Tensor:
    """Return the sum of each filter's distances to the others of its layer, `[filters]`."""
    rows = weight.flatten(1)
    exact = rows.device.type != "mps"  # which has no float64
    rows = rows.to(torch.float64 if exact else torch.float32)
    rows = rows - rows.mean(0)
    squares = rows.square().sum(1)
    sums = squares + squares.unsqueeze(1)
    apart = sums - 2 * rows @ rows.T
    # |a|² + |b|² − 2ab is off by that much at most; of filters that are alike the distance is to be 0.
    rounded = torch.finfo(rows.dtype).eps * (rows.shape[1] + 2) * sums
    return apart.masked_fill(apart <= rounded, 0).sqrt().sum(1)


_ALONE = (
    Criterion("random", lambda _, other: other, "generator"),
    Criterion("large_final", lambda w, _: w.abs()),
    Criterion("squared_final", lambda w, _: w.square()),
    Criterion("small_final", lambda w, _: -w.abs()),
    Criterion("taylor", lambda w, g: (g * w).abs(), "gradient"),
    Criterion("gradient", lambda _, g: g.abs(), "gradient"),
    Criterion("fpgm", _filters_apart, by_filter=True),
    Criterion("batch_norm_scale", lambda _, scale: scale.abs(), "scale", by_filter=True),
)
_REFERRING: dict[str, Formula] = {
    "large_init": lambda _, i: i.abs(),
    "small_init": lambda _, i: -i.abs(),
    "large_init_large_final": lambda w, i: torch.minimum(w.abs(), i.abs()),
    "small_init_small_final": lambda w, i: -torch.maximum(w.abs(), i.abs()),
    "magnitude_increase": lambda w, i: w.abs() - i.abs(),
    "movement": lambda w, i: (w - i).abs(),
    "mov_large_final": lambda w, i: (w * (w - i)).abs(),
    "mov_mag": lambda w, i: (w.abs() - i.abs()).abs(),
}
"""Of the weights and what they were."""
_UPDATING = ("magnitude_increase", "movement", "mov_large_final", "mov_mag")

CRITERIA = {
    each.name: each
    for each in (
        *_ALONE,
        *(Criterion(name, formula, "reference") for name, formula in _REFERRING.items()),
        *(
            Criterion(f"updating_{name}", _REFERRING[name], "reference", updating=True)
            for name in _UPDATING
        ),
    )
}
CriterionName = Annotated[str, Meta(extra={CHOICES: tuple(CRITERIA)})]


def criterion(name: str) -> Criterion:
    """Find a criterion by its name.

    Raises:
        RecipeError: there is none; the nearest names are suggested.

    >>> formula = criterion("movement").formula
    >>> formula(torch.tensor([1.0, -2.0]), torch.tensor([1.0, 1.0]))
    tensor([0., 3.])
    """
    if name not in CRITERIA:
        raise RecipeError(
            f"unknown criterion {name!r}; there are {', '.join(CRITERIA)}.{suggestion(name, CRITERIA)}"
        )
    return CRITERIA[name]
