"""Resizing against loops over NumPy."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.compress.distillation.resizing import resized

SIZES = st.tuples(st.integers(1, 7), st.integers(1, 7))


def along(values: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Mean of each covered area where an axis shrinks, linear between centres where it grows."""
    rows = np.moveaxis(values, axis, 0)
    length = len(rows)
    found = []
    for place in range(size):
        if size <= length:
            first, last = place * length // size, math.ceil((place + 1) * length / size)
            found.append(rows[first:last].mean(0))
        else:
            centre = min(max((place + 0.5) * length / size - 0.5, 0), length - 1)
            low = math.floor(centre)
            high = min(low + 1, length - 1)
            found.append(rows[low] + (centre - low) * (rows[high] - rows[low]))
    return np.moveaxis(np.stack(found), 0, axis)


@settings(deadline=None)
@given(SIZES, SIZES, st.integers(0, 1000))
def test_each_axis_is_averaged_or_interpolated(
    before: tuple[int, int], after: tuple[int, int], seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=(2, 3, *before))
    expected = along(along(values, 2, after[0]), 3, after[1])
    found = resized(torch.from_numpy(values), after)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_a_map_of_the_size_asked_for_is_itself() -> None:
    maps = torch.zeros(1, 2, 3, 4)
    assert resized(maps, (3, 4)) is maps
