"""What a face does at a moment: mouth, lids, gaze and brows."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Expression:
    """Shares 0–1, or -1–1 where a movement goes both ways; pairs are the image's left and right."""

    open: float = 0.0
    """How far the jaw is down."""
    smile: float = 0.0
    pucker: float = 0.0
    skew: float = 0.0
    lids: tuple[float, float] = (1.0, 1.0)
    """1 is open, 0 is shut."""
    gaze: tuple[float, float] = (0.0, 0.0)
    brows: tuple[float, float] = (0.0, 0.0)
    frown: float = 0.0
    teeth: float = 0.5


def draw_expression(rng: np.random.Generator) -> Expression:
    """Choose an expression: the mouth is open half of the time, an eye shut now and then."""
    u = rng.uniform(0, 1, 8)
    both = rng.uniform(-1, 1, 8)
    lids = 0.55 + 0.5 * u[0]
    left, right = (lids + 0.1 * both[0], lids + 0.1 * both[1])
    blink = rng.random()
    if blink < 0.08:
        left = right = 0.06 * u[1]
    elif blink < 0.13:
        left = 0.05
    elif blink < 0.18:
        right = 0.05
    return Expression(
        open=float(max(0.0, 1.7 * u[2] - 0.7) ** 1.2),
        smile=float(1.3 * both[2] if u[3] < 0.7 else 0.0),
        pucker=float(max(0.0, 2.5 * u[4] - 1.5)),
        skew=float(0.5 * both[3]),
        lids=(float(left), float(right)),
        gaze=(float(both[4]), float(0.7 * both[5])),
        brows=(float(both[6]), float(both[6] + 0.5 * both[7])),
        frown=float(u[5]),
        teeth=float(u[6]),
    )
