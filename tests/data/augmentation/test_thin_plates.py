"""The plate against SciPy's, and where it is held."""

import numpy as np
from scipy.interpolate import RBFInterpolator

from mobilekit.data.augmentation.thin_plates import SIDE, bending


def test_plate_is_that_of_scipy() -> None:
    pulls = np.random.default_rng(0).normal(size=(SIDE * SIDE, 2))
    y, x = np.meshgrid(np.linspace(0, 1, SIDE), np.linspace(0, 1, SIDE), indexing="ij")
    held = np.stack([x.ravel(), y.ravel()], 1)
    rows, columns = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 13), indexing="ij")
    plate = RBFInterpolator(held, pulls, kernel="thin_plate_spline", degree=1)
    expected = plate(np.stack([columns.ravel(), rows.ravel()], 1)).reshape(9, 13, 2)
    np.testing.assert_allclose(bending(9, 13, pulls), expected, atol=1e-9)


def test_pixels_at_the_points_move_as_they_are_pulled() -> None:
    pulls = np.random.default_rng(1).normal(size=(SIDE * SIDE, 2))
    found = bending(7, 10, pulls)[::2, ::3]  # the lattice of the points
    np.testing.assert_allclose(found.reshape(-1, 2), pulls, atol=1e-12)


def test_even_pulls_move_everything_alike_and_no_pull_nothing() -> None:
    even = np.tile([0.25, -0.5], (SIDE * SIDE, 1))
    np.testing.assert_allclose(
        bending(5, 6, even), np.broadcast_to([0.25, -0.5], (5, 6, 2)), atol=1e-12
    )
    assert not bending(5, 6, np.zeros((SIDE * SIDE, 2))).any()
