"""Smooth bending of an image: thin plates held at a few points (Bookstein 1989)."""

import functools

import numpy as np
import numpy.typing as npt

Grid = npt.NDArray[np.float64]
SIDE = 4
"""Points along each axis at which the plate is held."""


def bending(height: int, width: int, pulls: Grid) -> Grid:
    """Return how far each pixel moves where points of an even grid are pulled.

    The bend is the one of least energy: kernel r² log r², and a plane. An even pull moves everything by it.

    Args:
        height: of the image, in pixels.
        width: likewise.
        pulls: of the points, row by row, `[SIDE · SIDE, 2]`, in any unit.

    Returns:
        `[height, width, 2]`, in the unit of the pulls.
    """
    moved: Grid = _basis(height, width) @ pulls
    return moved.reshape(height, width, 2)


@functools.lru_cache(maxsize=8)
def _basis(height: int, width: int) -> Grid:
    """Return each point's part in each pixel's movement, `[H · W, SIDE · SIDE]`: the bend is linear in the pulls."""
    held = _lattice(SIDE, SIDE)
    count = len(held)
    plane = np.column_stack([np.ones(count), held])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(held, held)
    system[:count, count:], system[count:, :count] = plane, plane.T
    pixels = _lattice(height, width)
    values = np.column_stack([_kernel(pixels, held), np.ones(len(pixels)), pixels])
    found: Grid = values @ np.linalg.inv(system)[:, :count]
    return found


def _lattice(rows: int, columns: int) -> Grid:
    """Return evenly spaced points of the unit square, row by row, `[rows · columns, 2]` as (x, y)."""
    y, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return np.stack([x.ravel(), y.ravel()], 1)


def _kernel(first: Grid, second: Grid) -> Grid:
    """Return r² log r² between two sets of points, `[n, m]`; 0 where they meet."""
    squares = ((first[:, None] - second[None]) ** 2).sum(-1)
    logs: Grid = np.log(np.where(squares > 0, squares, 1.0))
    values: Grid = squares * logs
    return values
