"""One of several choices for each layer: the least error within a size, or the least size within an error.

A multiple-choice knapsack, solved exactly as an integer programme (HiGHS, by scipy).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from mobilekit.core.errors import RecipeError
from mobilekit.runtime.quiet import without_stdout

GAP = 1e-6
"""Relative distance from the best that is good enough."""


@dataclass(frozen=True)
class Choice:
    """What one layer may become."""

    name: str
    """Words of a form."""
    size: float
    """Bytes."""
    error: float
    """What it adds to the error of the outputs, as energy."""


Choices = Mapping[str, Sequence[Choice]]
"""By layer."""


def least_error(choices: Choices, size: float) -> dict[str, Choice]:
    """Return one choice per layer, so that all together take at most `size` and err least.

    Raises:
        RecipeError: the smallest choices take more.
    """
    smallest = sum(min(one.size for one in some) for some in choices.values())
    if smallest > size:
        raise RecipeError(
            f"quantize: no choice of these forms takes {size:,.0f} bytes; the least is {smallest:,.0f}"
        )
    return _solved(choices, "error", "size", size)


def least_size(choices: Choices, error: float) -> dict[str, Choice]:
    """Return one choice per layer, so that all together err by at most `error` and take least.

    Raises:
        RecipeError: the most exact choices err more.
    """
    best = sum(min(one.error for one in some) for some in choices.values())
    if best > error:
        raise RecipeError(
            "quantize: no choice of these forms errs so little: the least relative error that they are"
            f" expected to have is {best**0.5:.2g}, asked were {error**0.5:.2g}"
        )
    return _solved(choices, "size", "error", error)


def _solved(choices: Choices, wanted: str, bounded: str, bound: float) -> dict[str, Choice]:
    """Minimize the sum of one number while that of another stays within a bound."""
    flat = [(layer, one) for layer, some in choices.items() for one in some]
    cost = np.array([getattr(one, wanted) for _, one in flat], float)
    used = np.array([getattr(one, bounded) for _, one in flat], float)
    layers = list(choices)
    once = np.zeros((len(layers), len(flat)))
    for column, (layer, _) in enumerate(flat):
        once[layers.index(layer), column] = 1
    # What is beyond the bound by itself is beyond it by any measure: huge numbers stop the solver.
    unit, scale = max(bound, 1e-300), cost.max(initial=0.0) or 1.0
    within = LinearConstraint(np.minimum(used / unit, 2.0)[None], -np.inf, 1 + 1e-12)
    with without_stdout():  # HiGHS leaves lines of its own there
        found = milp(
            cost / scale,
            integrality=np.ones(len(flat)),
            bounds=Bounds(0, 1),
            constraints=[LinearConstraint(once, 1, 1), within],
            options={"mip_rel_gap": GAP},
        )
    if found.x is None:
        raise RecipeError(f"quantize: no choice of forms was found ({found.message})")
    taken = np.flatnonzero(np.rint(found.x))
    return {flat[column][0]: flat[column][1] for column in taken}


def by_size(choices: Choices, size: float, *, largest_first: bool) -> dict[str, Choice]:
    """Return the choices of somebody who looks at sizes alone: layers in their order get the small form.

    Each layer starts with its most exact choice; in order of their sizes, layers get the smallest one
    until all together take at most `size`.

    Raises:
        RecipeError: the smallest choices take more.
    """
    found = {layer: min(some, key=lambda one: one.error) for layer, some in choices.items()}
    order = sorted(found, key=lambda layer: found[layer].size, reverse=largest_first)
    for layer in order:
        if sum(one.size for one in found.values()) <= size:
            return found
        found[layer] = min(choices[layer], key=lambda one: one.size)
    if sum(one.size for one in found.values()) > size:
        raise RecipeError(f"quantize: no choice of these forms takes {size:,.0f} bytes")
    return found
