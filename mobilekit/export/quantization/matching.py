"""Which weights of the network a constant of a file holds: converters drop names, values stay.

Converters fold batch norms into the weights before them, which multiplies each filter by a factor, swap
or reverse axes, and split groups. So directions of filters are compared: a constant belongs to the parameter of which
least of its energy is left when each of its filters is projected on the parameter's,

    residual = 1 − Σ_o (a_o · b_o)² / |b_o|² / Σ_o |a_o|²    (0 for the same directions, 1 for none alike).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array

Matrix = npt.NDArray[np.float32]

NEAR = 1e-4
"""Largest residual of a match; rounding to float16 leaves about 1e-7, other weights nearly 1."""
_FIRST = 8
"""Filters that are looked at before all are."""


def match(constants: Mapping[str, "Array"], network: Mapping[str, "Array"]) -> dict[str, str]:
    """Return constant → layer of the network, for the constants that hold a layer's weights.

    A parameter that no constant before has taken goes before one that has been, and values that are
    equal before those that are so up to factors; what is still alike is taken in order.

    Args:
        constants: name → weights `[O, …]` of the file, output channels first, the others in the order
            of the network (OIHW for convolutions).
        network: name, with or without `.weight`, → weights as PyTorch stores them.

    >>> matrix = np.array([[1.0, 2.0], [3.0, 5.0]])
    >>> match({"c": matrix * [[2.0], [-1.0]]}, {"head.weight": matrix})
    {'c': 'head'}
    """
    weights = {name.removesuffix(".weight"): np.asarray(array) for name, array in network.items()}
    whole = [(name, form) for name, array in weights.items() for form in _orders(array)]
    found: dict[str, str] = {}
    for name, array in constants.items():
        constant = np.asarray(array)
        alike = _alike(constant, whole, found) or _alike(constant, _parts(constant, weights), found)
        if alike:
            found[name] = min(alike)[-1]
    return found


def _alike(
    constant: "Array", forms: Iterable[tuple[str, "Array"]], found: Mapping[str, str]
) -> list[tuple[bool, float, int, str]]:
    """Return the layers that a constant may come from, each with how little it is to be preferred."""
    largest, share = _largest(constant)
    return [
        (layer in found.values(), _apart(constant, form), index, layer)
        for index, (layer, form) in enumerate(forms)
        if len(form) == len(constant)
        and form.size == constant.size
        and share * residual(constant[largest], form[largest]) <= NEAR
        and residual(constant, form) <= NEAR
    ]


def _parts(constant: "Array", weights: Mapping[str, "Array"]) -> Iterator[tuple[str, "Array"]]:
    """Yield the groups of parameters that are as large as a constant: converters split convolutions."""
    for name, array in weights.items():
        count = array.size // max(constant.size, 1)
        if array.ndim < 3 or count < 2 or array.size % constant.size or len(array) % count:
            continue
        for part in np.split(array, count):
            yield from ((name, form) for form in _orders(part))


def residual(constant: "Array", parameter: "Array") -> float:
    """Return the share, 0–1, of a constant's energy that is not along the parameter's filters.

    Args:
        constant: `[O, …]`.
        parameter: of the same shape.

    >>> residual(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    one, other = _rows(constant), _rows(parameter)
    if one.shape[1] == 1:  # any two numbers have one direction: one factor for all channels then
        one, other = one.T, other.T
    products, lengths, energies = (
        np.einsum("oi,oi->o", a, b).astype(np.float64)
        for a, b in ((one, other), (other, other), (one, one))
    )
    energy = float(energies.sum())
    if energy == 0.0:
        return 0.0 if not lengths.any() else 1.0
    along = np.divide(products**2, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return max(0.0, 1.0 - float(along.sum()) / energy)


def _largest(constant: "Array") -> tuple["Array", float]:
    """Return the filters with the most energy, and their share of it: enough to refuse a parameter."""
    rows = _rows(constant)
    if rows.shape[1] == 1:
        return np.arange(len(rows)), 1.0
    energies = np.einsum("oi,oi->o", rows, rows).astype(np.float64)
    largest = np.argsort(energies)[-_FIRST:]
    return largest, float(energies[largest].sum() / max(energies.sum(), 1e-300))


def _apart(constant: "Array", form: "Array") -> float:
    """Return the largest difference of values over the largest value."""
    rows, others = _rows(constant), _rows(form)
    scale = max(float(np.abs(others).max(initial=0.0)), 1e-30)
    return float(np.abs(rows - others).max(initial=0.0)) / scale


def _orders(weights: "Array") -> Iterator["Array"]:
    """Yield views with the axes as a converter may store a parameter; nothing below two axes."""
    if weights.ndim < 2:
        return
    orders = [weights, np.swapaxes(weights, 0, 1)]
    if weights.ndim == 3:  # matrices, output channels last
        orders.append(np.moveaxis(weights, -1, 0))
    if weights.ndim > 2 and max(weights.shape[2:]) > 1:
        axes = tuple(range(2, weights.ndim))
        orders += [np.flip(order, axes) for order in orders]
    yield from orders


def _rows(weights: "Array") -> Matrix:
    return np.asarray(weights, dtype=np.float32).reshape(len(weights), -1)
