"""Smooth curves from few points, and the outlines of strokes along them."""

from functools import cache

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
"""`[n, 2]`, x to the right and y down; or `[n, 3]`, z towards the camera."""


def closed(controls: Points, steps: int = 5) -> Points:
    """Return a closed Catmull–Rom curve through `[n, d]` points, `[n * steps, d]`."""
    before = np.roll(controls, 1, 0)
    after = np.roll(controls, -1, 0)
    return _through(before, controls, after, np.roll(controls, -2, 0), steps)


def opened(controls: Points, steps: int = 5) -> Points:
    """Return a Catmull–Rom curve from the first of `[n, d]` points to the last."""
    padded = np.concatenate([controls[:1], controls, controls[-1:]])
    curve = _through(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], steps)
    return np.concatenate([curve, controls[-1:]])


def ellipse(centre: tuple[float, float], radii: tuple[float, float], count: int = 20) -> Points:
    """Return points around an ellipse, `[count, 2]`."""
    found: Points = _circle(count) * np.array(radii) + np.array(centre)
    return found


def ribbon(line: Points, halves: Points) -> Points:
    """Return the outline of a stroke along a line `[n, 2]` with half widths `[n]`."""
    along = np.empty_like(line)
    along[1:-1] = line[2:] - line[:-2]
    along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    across *= (halves / np.maximum(np.sqrt((along**2).sum(1)), 1e-9))[:, None]
    return np.concatenate([line + across, (line - across)[::-1]])


def mirrored(points: Points) -> Points:
    """Return points on the other side of the face, x negated."""
    other = points.copy()
    other[:, 0] *= -1
    return other


def _through(before: Points, start: Points, end: Points, after: Points, steps: int) -> Points:
    t = (np.arange(steps) / steps)[:, None, None]
    curve = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    return np.ascontiguousarray(curve.transpose(1, 0, 2)).reshape(-1, start.shape[1])


@cache
def _circle(count: int) -> Points:
    angles = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(angles), np.sin(angles)], 1)
