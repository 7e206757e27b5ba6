"""What is worn on the head: glasses and hats."""

from dataclasses import dataclass

import numpy as np

from mobilekit.data.faces.curves import Points, closed, ellipse, mirrored, opened, ribbon
from mobilekit.data.faces.eyes import Eyes
from mobilekit.data.faces.head import SKIN, Head
from mobilekit.data.faces.pose import View
from mobilekit.data.faces.ranges import Ranges
from mobilekit.data.faces.sketch import THING, Colour, Material, Sketch, scaled

HATS = ("beanie", "cap", "brim", "band")


@dataclass(frozen=True)
class Glasses:
    """Measures in halves of a mean head's width."""

    colour: Colour
    width: float
    height: float
    square: float
    """0 is an ellipse, 1 almost a rectangle."""
    rim: float
    tint: float
    """How much the lenses hide: 1 is black, and the eyes are not labelled."""
    glare: float


@dataclass(frozen=True)
class Hat:
    """A hat."""

    style: str
    colour: Colour
    low: float
    """Height of its lower edge above the eyes."""
    tall: float


def draw_glasses(rng: np.random.Generator, ranges: Ranges) -> Glasses | None:
    """Choose glasses, or none."""
    worn, dark = rng.random() < ranges.glasses, rng.random() < ranges.dark_glasses
    u = rng.uniform(0, 1, 8)
    if not worn:
        return None
    colour = (0.75 * u[0] ** 2, 0.65 * u[1] ** 2, 0.6 * u[2] ** 2)
    return Glasses(
        colour=(float(colour[0]), float(colour[1]), float(colour[2])),
        width=float(0.22 + 0.09 * u[3]),
        height=float(0.15 + 0.1 * u[4]),
        square=float(u[5]),
        rim=float(0.012 + 0.025 * u[6]),
        tint=1.0 if dark else float(0.25 * u[7]),
        glare=float(rng.uniform(0, 0.5)),
    )


def draw_hat(rng: np.random.Generator, ranges: Ranges) -> Hat | None:
    """Choose a hat, or none."""
    worn = rng.random() < ranges.hat
    style = HATS[int(rng.integers(len(HATS)))]
    red, green, blue, low, tall = rng.uniform(0, 1, 5)
    if not worn:
        return None
    colour = float(red), float(green), float(blue)
    return Hat(style, colour, float(0.45 + 0.2 * low), float(0.1 + 0.3 * tall))


def paint_dark_lenses(sketch: Sketch, view: View, eyes: Eyes, glasses: Glasses) -> None:
    """Draw lenses that hide the eyes; they are labelled skin."""
    material = Material(scaled(glasses.colour, 0.25), SKIN, THING)
    for side in (-1, 1):
        sketch.polygon(_lens(view, eyes, glasses, side), material)


def frame(view: View, head: Head, eyes: Eyes, glasses: Glasses) -> list[Points]:
    """Return the polygons of rims, bridge and arms in the image; labels are what is behind them."""
    found = []
    for side in (-1, 1):
        rim = _lens(view, eyes, glasses, side)
        around = np.concatenate([rim, rim[:1]])
        found.append(ribbon(around, np.full(len(around), glasses.rim * view.scale)))
        hinge = np.array(
            [((eyes.apart + glasses.width) * side, -0.04, 0.45), (head.width * side, -0.02, 0.0)]
        )
        found.append(ribbon(view.space(hinge), np.full(2, glasses.rim * view.scale)))
    inner = eyes.apart - glasses.width
    bridge = opened(np.array([(-inner, -0.02), (0.0, -0.07), (inner, -0.02)]), 3)
    found.append(ribbon(view.surface(bridge, 0.1), np.full(len(bridge), glasses.rim * view.scale)))
    return found


def lenses(view: View, eyes: Eyes, glasses: Glasses) -> list[Points]:
    """Return the outlines of both lenses in the image."""
    return [_lens(view, eyes, glasses, side) for side in (-1, 1)]


def paint_hat(sketch: Sketch, view: View, head: Head, hat: Hat) -> None:
    """Draw a hat; it is background."""
    w, top = head.width * 1.1, head.crown + hat.tall
    main, dark = Material(hat.colour, 0, THING), Material(scaled(hat.colour, 0.65), 0, THING)
    low = -hat.low
    right = np.array(
        [(0.4 * w, -top), (0.85 * w, -0.8 * top), (1.02 * w, low - 0.2), (w, low + 0.1)]
    )
    edge = np.array([(0.55 * w, low), (0.0, low - 0.02)])
    if hat.style == "band":
        right = np.array([(0.5 * w, low - 0.32), (0.98 * w, low - 0.1), (w, low + 0.16)])
    arc = np.concatenate([mirrored(right)[::-1], right])
    line = view.surface(np.concatenate([edge, mirrored(edge)[-2::-1]]), 0.05)
    sketch.polygon(np.concatenate([view.outline(arc), line]), main)
    if hat.style == "cap":
        peak = closed(np.array([(-0.7, low), (0.0, low - 0.05), (0.7, low), (0.6, low + 0.2), (0.0, low + 0.27),
                                (-0.6, low + 0.2)]) * (w, 1.0), 3)  # fmt: skip
        sketch.polygon(view.surface(peak, 0.25), dark)
    elif hat.style == "brim":
        sketch.polygon(view.surface(ellipse((0.0, low + 0.02), (1.6 * w, 0.14)), 0.05), dark)
    elif hat.style == "beanie":
        fold = np.concatenate([edge, mirrored(edge)[-2::-1]])
        fold = np.concatenate([fold, (fold - (0.0, 0.22))[::-1]])
        sketch.polygon(view.surface(fold, 0.06), dark)


def _lens(view: View, eyes: Eyes, glasses: Glasses, side: int) -> Points:
    around = ellipse((0.0, 0.0), (1.0, 1.0), 16)
    largest = np.abs(around).max(1, keepdims=True)
    around *= 1 + glasses.square * 0.75 * (1 / largest - 1)
    around = around * (glasses.width * side, glasses.height) + (side * eyes.apart, 0.03)
    return view.surface(around, 0.08)
