"""How a region of one image is laid into another: by a soft mask, or by its gradients."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import splu

from mobilekit.data.camera.parts import Picture, blurred
from mobilekit.data.forgeries.region import Mask

Weights = npt.NDArray[np.float32]
"""`[H, W]` in 0–1: how much of each pixel is replaced."""


@dataclass(frozen=True)
class Edge:
    """How a mask is made soft; lengths are shares of the image's shorter side."""

    bend: float
    """Standard deviation of the blur that rounds the mask before it is cut anew."""
    level: float
    """Where it is cut, 0–1: a mask grows below a half, and shrinks above."""
    softness: float
    """Standard deviation of the final blur."""
    opacity: float


def draw_edge(rng: np.random.Generator) -> Edge:
    """Draw an edge."""
    return Edge(
        bend=rng.uniform(0.01, 0.05),
        level=rng.uniform(0.25, 0.75),
        softness=rng.uniform(0.002, 0.025),
        opacity=min(1.0, rng.uniform(0.75, 1.25)),
    )


def softened(mask: Mask, edge: Edge) -> Weights:
    """Return a mask's weights: rounded, grown or shrunk, and softened as its edge says."""
    side = min(mask.shape)
    rounded = blurred(mask[..., None].astype(np.float32), edge.bend * side)
    cut = (rounded > edge.level).astype(np.float32)
    soft: Weights = blurred(cut, edge.softness * side)[..., 0]
    return soft * np.float32(edge.opacity)


def blended(target: Picture, source: Picture, weights: Weights) -> Picture:
    """Mix two images: the target where the weights are 0, the source where they are 1."""
    found: Picture = target + weights[..., None] * (source - target)
    return found


def seamless(target: Picture, source: Picture, mask: Mask) -> Picture:
    """Keep the source's gradients within a mask, and the target's colours at its edge.

    Solves Poisson's equation for the difference of both, which is harmonic within: the mean of its four
    neighbours at each pixel (Pérez, Gangnet, Blake, 2003, equation 7, with the source's gradients as
    guidance). A mask at the image's edge is cut by one pixel.

    Args:
        target: float32 `[H, W, 3]` in 0–1.
        source: of the same shape.
        mask: what comes from the source, `[H, W]`.
    """
    rows, columns = np.nonzero(mask[1:-1, 1:-1])
    rows, columns = rows + 1, columns + 1
    if len(rows) == 0:
        return target
    numbers = np.full(mask.shape, -1)
    own = np.arange(len(rows))
    numbers[rows, columns] = own
    difference = target.astype(np.float64) - source
    right = np.zeros((len(rows), 3))
    matrix = sparse.diags_array(np.full(len(rows), 4.0)).tocsr()
    for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = numbers[rows + down, columns + across]
        within = beside >= 0
        pairs = (own[within], beside[within])
        matrix = matrix - sparse.csr_array((np.ones(int(within.sum())), pairs), matrix.shape)
        right[~within] += difference[rows[~within] + down, columns[~within] + across]
    added = splu(matrix.tocsc()).solve(right)
    found = target.copy()
    found[rows, columns] = source[rows, columns] + added.astype(np.float32)
    return np.clip(found, 0, 1)
