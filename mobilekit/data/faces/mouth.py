"""Nose and mouth."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from mobilekit.data.faces.curves import Points, closed, ellipse, mirrored, opened
from mobilekit.data.faces.expression import Expression
from mobilekit.data.faces.pose import View
from mobilekit.data.faces.sketch import FACE, Colour, Material, Sketch, mixed, scaled

NOSE, UPPER_LIP, INNER_MOUTH, LOWER_LIP = 6, 7, 8, 9


@dataclass(frozen=True)
class Nose:
    """Measures in halves of a mean head's width."""

    bridge: float
    width: float
    tip_y: float
    out: float
    """How far the tip stands out."""
    tip: float
    nostril: float


@dataclass(frozen=True)
class Mouth:
    """Measures in halves of a mean head's width."""

    y: float
    width: float
    upper: float
    lower: float
    bow: float
    """Depth of the notch of the upper lip."""
    lip: Colour


def draw_nose(rng: np.random.Generator) -> Nose:
    """Choose a nose."""
    u = rng.uniform(0, 1, 6)
    return Nose(
        bridge=float(0.05 + 0.04 * u[0]),
        width=float(0.13 + 0.1 * u[1]),
        tip_y=float(0.36 + 0.1 * u[2]),
        out=float(0.12 + 0.16 * u[3]),
        tip=float(0.07 + 0.05 * u[4]),
        nostril=float(0.02 + 0.02 * u[5]),
    )


def draw_mouth(rng: np.random.Generator, skin: Colour) -> Mouth:
    """Choose a mouth; its colour may be close to that of the skin."""
    u = rng.uniform(0, 1, 7)
    red = (skin[0] * 0.92, skin[1] * 0.62, skin[2] * 0.66)
    return Mouth(
        y=float(0.66 + 0.1 * u[0]),
        width=float(0.24 + 0.1 * u[1]),
        upper=float(0.05 + 0.05 * u[2]),
        lower=float(0.06 + 0.07 * u[3]),
        bow=float(0.4 * u[4]),
        lip=mixed(skin, red, float(0.45 + 0.75 * u[5])),
    )


def paint_nose(sketch: Sketch, view: View, nose: Nose, skin: Colour) -> None:
    """Draw the nose: of the colour of the skin, its nostrils darker."""
    right = np.array([
        (nose.bridge, -0.05), (nose.bridge * 1.1, 0.45 * nose.tip_y), (nose.width * 0.75, nose.tip_y - 0.13),
        (nose.width, nose.tip_y - 0.01), (nose.width * 0.8, nose.tip_y + 0.07),
    ])  # fmt: skip
    foot = np.array([(nose.tip * 0.5, nose.tip_y + 0.09), (-nose.tip * 0.5, nose.tip_y + 0.09)])
    sides = np.concatenate([right, foot, mirrored(right)[::-1]])
    shape = closed(sides, 3)
    lift = nose.out * (shape[:, 1].clip(0, None) / nose.tip_y).clip(0, 1) ** 1.5
    lift *= (1 - (np.abs(shape[:, 0]) / (1.6 * nose.width)) ** 2).clip(0.2, 1)
    placed = view.space(np.column_stack([shape, view.depth(shape) + 0.55 * lift]))
    sketch.polygon(placed, Material(skin, NOSE, FACE))
    for side in (-1, 1):
        hole = ellipse(
            (side * nose.width * 0.48, nose.tip_y + 0.055), (nose.nostril * 1.5, nose.nostril), 8
        )
        sketch.polygon(
            view.surface(hole, 0.6 * nose.out), Material(scaled(skin, 0.42), NOSE, FACE), placed
        )


def nose_tip(view: View, nose: Nose) -> Points:
    """Return the tip in space, `[1, 3]`."""
    tip = np.array([(0.0, nose.tip_y)])
    return np.column_stack([tip, view.depth(tip) + nose.out])


def paint_mouth(sketch: Sketch, view: View, mouth: Mouth, expression: Expression) -> None:
    """Draw the inside of the mouth with teeth and tongue, then the lips around it."""
    outer_up, inner_up, inner_low, outer_low = _lips(mouth, expression)
    place = partial(_placed, view)
    if expression.open > 0.05:
        hole = place(np.concatenate([inner_up, inner_low[::-1]]))
        sketch.polygon(hole, Material((0.14, 0.04, 0.05), INNER_MOUTH, FACE))
        height = float(inner_low[len(inner_low) // 2, 1] - inner_up[len(inner_up) // 2, 1])
        teeth = Material((0.93, 0.91, 0.85), INNER_MOUTH, FACE)
        if expression.teeth > 0.25:
            row = inner_up + np.array([0.0, min(0.075, 0.45 * height) * expression.teeth * 1.3])
            sketch.polygon(place(np.concatenate([inner_up, row[::-1]])), teeth, hole)
        if expression.teeth > 0.8:
            row = inner_low - (0.0, min(0.05, 0.2 * height))
            sketch.polygon(place(np.concatenate([inner_low, row[::-1]])), teeth, hole)
        low = float(inner_low[len(inner_low) // 2, 1])
        tongue = ellipse((0.0, low), (0.6 * mouth.width, 0.35 * height), 12)
        sketch.polygon(place(tongue), Material((0.62, 0.27, 0.28), INNER_MOUTH, FACE), hole)
    upper = np.concatenate([outer_up, inner_up[::-1]])
    lower = np.concatenate([inner_low, outer_low[::-1]])
    sketch.polygon(place(lower), Material(mouth.lip, LOWER_LIP, FACE))
    sketch.polygon(place(upper), Material(scaled(mouth.lip, 0.9), UPPER_LIP, FACE))


def mouth_middle(view: View, mouth: Mouth, expression: Expression) -> Points:
    """Return the middle between the lips in the image, `[1, 2]`."""
    _, inner_up, inner_low, _ = _lips(mouth, expression)
    middle = len(inner_up) // 2
    centre = (inner_up[middle] + inner_low[middle]) / 2
    return _placed(view, centre[None])


def drop_of(expression: Expression) -> float:
    """Return by how much an open mouth lowers the chin."""
    return 0.2 * expression.open


def _lips(mouth: Mouth, expression: Expression) -> tuple[Points, Points, Points, Points]:
    """Return four lines from the image's left to its right: outer and inner edge of each lip, `[13, 2]`."""
    w = mouth.width * (1 + 0.22 * expression.smile) * (1 - 0.35 * expression.pucker)
    full = 1 + 0.3 * expression.pucker - 0.15 * max(0.0, expression.smile)
    up, low = mouth.upper * full, mouth.lower * full
    corner = mouth.y - 0.09 * expression.smile + 0.03 * expression.open
    gap_up, gap_low = 0.05 * expression.open, 0.28 * expression.open
    skew = 0.06 * expression.skew
    dip = 0.02 * max(0.0, expression.smile)

    def line(middle: float, side: float, inset: float) -> Points:
        half = w - inset
        return opened(np.array([
            (-half, corner + skew), (-0.5 * half, side), (0.0, middle), (0.5 * half, side), (half, corner - skew),
        ]), 3)  # fmt: skip

    bend = (corner - mouth.y) * 0.35
    top = mouth.y - gap_up + dip
    base = mouth.y + gap_low + dip
    return (
        line(top - up * (1 - mouth.bow), top - up + bend, 0.0),
        line(top, top + 0.15 * gap_up + bend, 0.03),
        line(base, base - 0.12 * gap_low + bend, 0.03),
        line(base + low, base + 0.75 * low + bend, 0.0),
    )


def _placed(view: View, points: Points) -> Points:
    """Bring points of the mouth `[n, 2]` into the image."""
    return view.surface(points, 0.05)
