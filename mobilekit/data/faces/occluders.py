"""Things between the camera and the face: hands, bars, a phone, a mug, loose hair. All are background."""

from collections.abc import Callable

import numpy as np

from mobilekit.data.faces.curves import Points, closed, ellipse, opened, ribbon
from mobilekit.data.faces.head import draw_skin
from mobilekit.data.faces.sketch import HAIR, NECK, THING, Colour, Material, Sketch, scaled


def paint_occluder(sketch: Sketch, kind: str, seed: int, skin: Colour) -> None:
    """Draw one; where it is depends on the seed alone, not on the face."""
    KINDS[kind](sketch, np.random.default_rng(seed), skin)


def _hand(sketch: Sketch, rng: np.random.Generator, skin: Colour) -> None:
    """Draw fingers that reach in from below or from a side, mostly the person's own."""
    tone = skin if rng.random() < 0.7 else draw_skin(rng)
    place = _facing(rng, float(rng.uniform(0.2, 0.4)))
    thick = float(rng.uniform(0.028, 0.045))
    count = int(rng.integers(2, 5))
    palm = closed(np.array([(-0.11, 0.16), (0.11, 0.16), (0.13, 0.8), (-0.13, 0.8)]), 3)
    sketch.polygon(place(palm), Material(scaled(tone, 0.9), 0, NECK))
    for finger in range(count):
        x = (finger - (count - 1) / 2) * 2.1 * thick
        tip = float(rng.uniform(-0.04, 0.05)) + 2.0 * x * x / thick
        bend = float(rng.uniform(-0.03, 0.03))
        line = opened(np.array([(x * 1.3 + bend, tip), (x, 0.12), (x * 0.9, 0.3)]), 4)
        halves = thick * np.concatenate([[0.45, 0.85], np.ones(len(line) - 2)])
        for grow, shade in ((1.0, 0.72), (0.78, 0.98), (0.3, 1.1)):
            sketch.polygon(
                place(ribbon(line, halves * grow)), Material(scaled(tone, shade), 0, NECK)
            )
        nail = ellipse((float(line[1, 0]), float(line[1, 1])), (0.4 * thick, 0.5 * thick), 8)
        sketch.polygon(place(nail), Material((0.93, 0.76, 0.72), 0, NECK))


def _bar(sketch: Sketch, rng: np.random.Generator, skin: Colour) -> None:
    """Draw an arm, a strap or a pole across the image."""
    colour = skin if rng.random() < 0.4 else _any(rng)
    place = _facing(rng, float(rng.uniform(0.16, 0.42)))
    half = float(rng.uniform(0.02, 0.07))
    line = np.array(
        [(-1.0, float(rng.uniform(-0.1, 0.2))), (0.0, 0.05), (1.0, float(rng.uniform(-0.1, 0.2)))]
    )
    for grow, shade in ((1.0, 0.75), (0.7, 1.0), (0.25, 1.15)):
        stroke = ribbon(opened(line, 5), np.full(11, half * grow))
        sketch.polygon(place(stroke), Material(scaled(colour, shade), 0, THING))


def _blob(sketch: Sketch, rng: np.random.Generator, skin: Colour) -> None:  # noqa: ARG001 (one of KINDS)
    """Draw a shape without meaning at the rim of the face."""
    place = _facing(rng, float(rng.uniform(0.22, 0.4)))
    radii = rng.uniform(0.05, 0.19, 8)
    around = closed(ellipse((0.0, 0.12), (1.0, 1.0), 8) * radii[:, None], 4)
    colour = _any(rng)
    sketch.polygon(place(around), Material(colour, 0, THING))
    sketch.polygon(
        place(around * 0.6), Material(scaled(colour, float(rng.uniform(0.5, 1.4))), 0, THING)
    )


def _phone(sketch: Sketch, rng: np.random.Generator, skin: Colour) -> None:
    """Draw a phone held before a cheek, with the fingers around it."""
    place = _facing(rng, float(rng.uniform(0.24, 0.38)))
    colour = scaled(_any(rng), 0.5)
    body = np.array([(-0.1, 0.0), (0.1, 0.0), (0.1, 0.42), (-0.1, 0.42)])
    sketch.polygon(place(body), Material(colour, 0, THING))
    sketch.polygon(
        place(ellipse((-0.05, 0.06), (0.03, 0.03), 10)), Material((0.05, 0.05, 0.08), 0, THING)
    )
    for finger in range(4):
        y = 0.14 + 0.07 * finger
        line = np.array([(0.2, y + 0.03), (0.12, y), (0.02, y + 0.01)])
        sketch.polygon(place(ribbon(line, np.full(3, 0.03))), Material(scaled(skin, 0.8), 0, NECK))
        sketch.polygon(place(ribbon(line, np.full(3, 0.02))), Material(skin, 0, NECK))


def _mug(sketch: Sketch, rng: np.random.Generator, skin: Colour) -> None:  # noqa: ARG001 (one of KINDS)
    """Draw a mug at the mouth."""
    x, y = 0.5 + float(rng.uniform(-0.16, 0.16)), float(rng.uniform(0.62, 0.82))
    w, colour = float(rng.uniform(0.09, 0.15)), _any(rng)
    body = np.array([(-w, 0.0), (w, 0.0), (0.9 * w, 0.4), (-0.9 * w, 0.4)]) + np.array([x, y])
    sketch.polygon(body, Material(colour, 0, THING))
    stripe = np.array(
        [(-0.7 * w, 0.02), (-0.4 * w, 0.02), (-0.36 * w, 0.4), (-0.63 * w, 0.4)]
    ) + np.array([x, y])
    sketch.polygon(stripe, Material(scaled(colour, 1.3), 0, THING))
    sketch.polygon(ellipse((x, y), (w, 0.2 * w), 16), Material(scaled(colour, 0.45), 0, THING))


def _strands(sketch: Sketch, rng: np.random.Generator, skin: Colour) -> None:  # noqa: ARG001 (one of KINDS)
    """Draw loose strands of dark or light hair that blow over the face."""
    shade = float(rng.uniform(0.05, 0.6))
    colour = (shade, shade * 0.75, shade * 0.5)
    for _ in range(int(rng.integers(3, 9))):
        start = np.array((float(rng.uniform(0, 1)), float(rng.uniform(-0.1, 0.2))))
        steps = rng.uniform((-0.3, 0.15), (0.3, 0.3), (3, 2)).cumsum(0)
        line = opened(np.concatenate([start[None], start + steps]), 5)
        stroke = ribbon(line, float(rng.uniform(0.004, 0.012)) * np.linspace(1, 0.3, len(line)))
        sketch.polygon(stroke, Material(colour, 0, HAIR))


def _facing(rng: np.random.Generator, radius: float) -> Callable[[Points], Points]:
    """Return what turns points so that (0, 0) is `radius` from the middle and y leads outwards."""
    angle = float(rng.uniform(-0.35, 3.5))  # mostly below the middle and beside it
    down, across = float(np.sin(angle)), float(np.cos(angle))

    def place(points: Points) -> Points:
        x = 0.5 + across * (radius + points[:, 1]) - down * points[:, 0]
        y = 0.5 + down * (radius + points[:, 1]) + across * points[:, 0]
        return np.column_stack([x, y])

    return place


def _any(rng: np.random.Generator) -> Colour:
    red, green, blue = rng.uniform(0.05, 0.95, 3).tolist()
    return red, green, blue


KINDS: dict[str, Callable[[Sketch, np.random.Generator, Colour], None]] = {
    "hand": _hand,
    "bar": _bar,
    "blob": _blob,
    "phone": _phone,
    "mug": _mug,
    "strands": _strands,
}
