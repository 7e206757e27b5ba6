"""Eyes and brows."""

from dataclasses import dataclass

import numpy as np

from mobilekit.data.faces.curves import Points, closed, ellipse, opened, ribbon
from mobilekit.data.faces.expression import Expression
from mobilekit.data.faces.pose import View
from mobilekit.data.faces.sketch import FACE, Colour, Material, Sketch, mixed, scaled

LEFT_BROW, RIGHT_BROW, LEFT_EYE, RIGHT_EYE = 2, 3, 4, 5
"""The person's left is on the right of the image: side 1."""


@dataclass(frozen=True)
class Eyes:
    """Measures in halves of a mean head's width, angles in radians."""

    apart: float
    """From the middle of the face to the middle of an eye."""
    width: float
    """Half of it, as the height."""
    height: float
    tilt: float
    white: float
    iris: Colour
    iris_size: float
    lid: float
    """Visible part of the upper lid."""
    lashes: float


@dataclass(frozen=True)
class Brows:
    """Measures in halves of a mean head's width."""

    above: float
    length: float
    thick: float
    arch: float
    tilt: float
    colour: Colour


def draw_eyes(rng: np.random.Generator) -> Eyes:
    """Choose a pair of eyes."""
    u = rng.uniform(0, 1, 10)
    dark, light = (0.16, 0.09, 0.05), (0.35 + 0.3 * u[0], 0.5 + 0.2 * u[1], 0.55 + 0.3 * u[2])
    return Eyes(
        apart=float(0.33 + 0.08 * u[3]),
        width=float(0.145 + 0.055 * u[4]),
        height=float(0.06 + 0.05 * u[5]),
        tilt=float(-0.12 + 0.3 * u[6]),
        white=float(0.78 + 0.18 * u[7]),
        iris=mixed(dark, light, float(u[8] ** 1.5)),
        iris_size=float(0.075 + 0.025 * u[9]),
        lid=float(rng.uniform(0.01, 0.06)),
        lashes=float(rng.uniform(0.006, 0.022)),
    )


def draw_brows(rng: np.random.Generator, hair: Colour, skin: Colour) -> Brows:
    """Choose a pair of brows: of the colour of the hair, at times hardly darker than the skin."""
    u = rng.uniform(0, 1, 7)
    return Brows(
        above=float(0.19 + 0.1 * u[0]),
        length=float(0.18 + 0.08 * u[1]),
        thick=float(0.02 + 0.035 * u[2]),
        arch=float(-0.01 + 0.09 * u[3]),
        tilt=float(-0.12 + 0.24 * u[4]),
        colour=mixed(
            mixed(scaled(hair, 0.85), (0.1, 0.06, 0.04), 0.5 * u[5]), skin, 0.4 * u[6] ** 2
        ),
    )


def paint_eye(
    sketch: Sketch, view: View, eyes: Eyes, expression: Expression, skin: Colour, side: int
) -> None:
    """Draw one eye: lid, white, iris and pupil inside the opening, lashes over it."""
    label = LEFT_EYE if side > 0 else RIGHT_EYE
    lid = min(1.0, max(0.0, expression.lids[side > 0]))
    squeeze = 1 - 0.25 * max(0.0, expression.smile)
    opening = _opening(eyes, lid, squeeze)
    rim = _opening(eyes, 1.0, squeeze)
    crease = rim * (1.12, 1.0) - (0.0, eyes.lid)
    crease[rim[:, 1] > 0] = rim[rim[:, 1] > 0] * (1.1, 1.25)
    sketch.polygon(_placed(view, eyes, crease, side), Material(scaled(skin, 0.86), 1, FACE))
    if lid < 0.1:
        edge = opened(
            np.array([(-eyes.width, 0.0), (0.0, 0.6 * eyes.height), (eyes.width, 0.0)]), 4
        )
        line = ribbon(edge, np.full(len(edge), eyes.lashes + 0.004))
        sketch.polygon(_placed(view, eyes, line, side), Material(scaled(skin, 0.35), 1, FACE))
        return
    window = _placed(view, eyes, opening, side)
    white = (eyes.white, eyes.white * 0.95, eyes.white * 0.93)
    sketch.polygon(window, Material(white, label, FACE))
    centre = (side * expression.gaze[0] * 0.45 * eyes.width, expression.gaze[1] * 0.3 * eyes.height)
    radius = eyes.iris_size
    parts = ((1.0, scaled(eyes.iris, 0.55)), (0.85, eyes.iris), (0.42, (0.02, 0.02, 0.02)))
    for share, colour in parts:
        disc = _placed(view, eyes, ellipse(centre, (radius * share, radius * share), 14), side)
        sketch.polygon(disc, Material(colour, label, FACE), window)
    glint = ellipse(
        (centre[0] - side * 0.3 * radius, -0.35 * radius), (0.2 * radius, 0.2 * radius), 6
    )
    sketch.polygon(_placed(view, eyes, glint, side), Material((1.0, 1.0, 1.0), label, FACE), window)
    upper = opening[: len(opening) // 2 + 1]
    halves = np.full(len(upper), eyes.lashes)
    lashes = ribbon(upper - (0.0, eyes.lashes), halves)
    sketch.polygon(_placed(view, eyes, lashes, side), Material(scaled(skin, 0.25), 1, FACE))


def paint_brow(
    sketch: Sketch, view: View, pair: tuple[Eyes, Brows], expression: Expression, side: int
) -> None:
    """Draw one brow: a stroke that thins outwards, pulled up, or down and in by a frown."""
    eyes, brows = pair
    lift = 0.05 * expression.brows[side > 0]
    y = -brows.above - lift
    inner = y + 0.05 * max(0.0, expression.frown - 0.4) - brows.tilt * brows.length
    line = opened(np.array([
        (eyes.apart - brows.length - 0.03 * expression.frown + 0.02, inner),
        (eyes.apart, y - brows.arch * 0.7),
        (eyes.apart + 0.6 * brows.length, y - brows.arch * 0.5 + brows.tilt * brows.length * 0.3),
        (eyes.apart + 1.15 * brows.length, y + 0.04 + brows.tilt * brows.length),
    ]), 4)  # fmt: skip
    stroke = ribbon(line, brows.thick * np.linspace(1.0, 0.3, len(line)))
    label = LEFT_BROW if side > 0 else RIGHT_BROW
    stroke[:, 0] *= side
    sketch.polygon(view.surface(stroke, 0.03), Material(brows.colour, label, FACE))


def eye_points(eyes: Eyes) -> Points:
    """Return the middles of the right and the left eye, `[2, 2]`."""
    return np.array([(-eyes.apart, 0.0), (eyes.apart, 0.0)])


def brow_points(eyes: Eyes, brows: Brows) -> Points:
    """Return where both brows end and are highest, at rest, `[6, 2]`."""
    x = np.array([-brows.length, 0.2 * brows.length, 1.15 * brows.length]) + eyes.apart
    y = np.full(3, -brows.above) - brows.arch * np.array([0.0, 0.7, 0.0])
    return np.concatenate([np.column_stack([x, y]), np.column_stack([-x, y])])


def _opening(eyes: Eyes, lid: float, squeeze: float) -> Points:
    """Return the outline between the lids around (0, 0), the upper half first, `[24, 2]`."""
    w, up, low = eyes.width, eyes.height * lid, eyes.height * 0.8 * squeeze
    fall = eyes.height * 0.5 * (1 - lid)
    return closed(np.array([
        (-w, 0.01), (-0.5 * w, -0.8 * up + fall), (0.1 * w, -up + fall), (0.65 * w, -0.65 * up + fall),
        (w, 0.0), (0.55 * w, 0.7 * low), (-0.1 * w, low), (-0.65 * w, 0.6 * low),
    ]), 3)  # fmt: skip


def _placed(view: View, eyes: Eyes, points: Points, side: int) -> Points:
    """Bring points around an eye `[n, 2]`, x outwards, into the image."""
    cos, sin = 1 - eyes.tilt**2 / 2, -eyes.tilt
    x = eyes.apart + points[:, 0] * cos - points[:, 1] * sin
    y = points[:, 0] * sin + points[:, 1] * cos
    return view.surface(np.column_stack([side * x, y]), -0.02)
