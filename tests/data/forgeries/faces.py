"""Faces of ellipses, drawn by the tests."""

import numpy as np

from mobilekit.data.forgeries.splices import Face


def sitting(rng: np.random.Generator, people: int, size: int = 64) -> list[Face]:
    """Draw people in one pose and light."""
    turn, light = rng.uniform(-0.06, 0.06), rng.uniform(-0.3, 0.3)
    return [_face(rng, turn, light, size) for _ in range(people)]


def _face(rng: np.random.Generator, turn: float, light: float, size: int) -> Face:
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    x = x - turn
    labels = np.zeros((size, size), np.uint8)
    wide = rng.uniform(0.26, 0.33)
    shapes = [
        (1, 0, 0.02, wide, 0.4),
        (2, -0.13, -0.14, 0.07, 0.015),
        (3, 0.13, -0.14, 0.07, 0.015),
        (4, -0.13, -0.08, rng.uniform(0.04, 0.06), 0.03),
        (5, 0.13, -0.08, rng.uniform(0.04, 0.06), 0.03),
        (6, 0, 0.05, 0.05, 0.09),
        (7, 0, 0.2, rng.uniform(0.09, 0.13), 0.03),
        (9, 0, 0.24, 0.1, 0.03),
    ]
    image = np.empty((size, size, 3))
    image[:] = rng.uniform(0.2, 0.8, 3)
    skin = rng.uniform(0.3, 0.9) * np.array([1, 0.78, 0.62])
    colours = {1: skin, 6: skin * 0.92}
    for label, across, down, half_wide, half_high in shapes:
        within = ((x - across) / half_wide) ** 2 + ((y - down) / half_high) ** 2 < 1
        labels[within] = label
        image[within] = colours.get(label, rng.uniform(0.05, 0.9, 3))
    image *= 1 + light * 2 * x[..., None]
    image += rng.normal(0, 0.01, (size, size, 1))
    return Face(np.clip(image, 0, 1).astype(np.float32), labels)
