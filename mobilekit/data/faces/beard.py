"""Beards and freckles: of the face, so they are labelled skin."""

from dataclasses import dataclass

import numpy as np

from mobilekit.data.faces.curves import Points, mirrored, opened
from mobilekit.data.faces.head import SKIN, Head
from mobilekit.data.faces.mouth import Mouth
from mobilekit.data.faces.pose import View
from mobilekit.data.faces.sketch import FACE, HAIR, Colour, Material, Sketch, mixed, scaled

STYLES = ("full", "stubble", "goatee", "moustache", "chinstrap")


@dataclass(frozen=True)
class Beard:
    """A beard; `thick` is how far it stands out of the chin, in halves of a mean head's width."""

    style: str
    colour: Colour
    thick: float
    line: float
    """How high it reaches on the cheeks, 0–1."""


def draw_beard(rng: np.random.Generator, hair: Colour, skin: Colour) -> Beard:
    """Choose a beard of about the colour of the hair; stubble lets the skin through."""
    style = STYLES[int(rng.integers(len(STYLES)))]
    through = rng.uniform(0.5, 0.8) if style == "stubble" else rng.uniform(0, 0.3)
    colour = mixed(scaled(hair, float(rng.uniform(0.7, 1.1))), skin, float(through))
    thick = 0.0 if style == "stubble" else float(rng.uniform(0.0, 0.14))
    return Beard(style, colour, thick, float(rng.uniform(0, 1)))


def paint_beard(
    sketch: Sketch, view: View, head: Head, whose: tuple[Beard, Mouth], drop: float
) -> None:
    """Draw a beard under the mouth, which is drawn after it."""
    beard, mouth = whose
    surface = FACE if beard.style == "stubble" else HAIR
    material = Material(beard.colour, SKIN, surface)
    if beard.style != "chinstrap":
        sketch.polygon(view.surface(_moustache(mouth), 0.05), material)
    if beard.style in {"full", "stubble", "chinstrap"}:
        edge = head.outline(drop)
        jaw = edge[(edge[:, 1] > 0.1)] * (1 + 0.5 * beard.thick, 1 + beard.thick)
        inner = view.surface(_cheek_line(head, beard, mouth), 0.02)
        sketch.polygon(np.concatenate([view.outline(jaw), inner]), material)
    if beard.style == "goatee":
        right = np.array([(mouth.width * 1.15, mouth.y), (mouth.width, mouth.y + 0.22),
                          (head.chin * head.width * 0.9, head.chin_y + drop)])  # fmt: skip
        tip = np.array([(0.0, head.chin_y + drop + beard.thick)])
        around = np.concatenate([right, tip, mirrored(right)[::-1]])
        sketch.polygon(view.surface(opened(around, 3), 0.03), material)


def paint_freckles(sketch: Sketch, view: View, places: Points, skin: Colour) -> None:
    """Draw spots on cheeks, nose and forehead, at `[n, 2]`."""
    shade = Material((skin[0] * 0.82, skin[1] * 0.7, skin[2] * 0.62), SKIN, FACE)
    spot = np.array([(-1, 0), (0, -1), (1, 0), (0, 1)]) * (0.014 * view.scale)
    for centre in view.surface(places):
        sketch.polygon(centre + spot, shade)


def draw_freckles(rng: np.random.Generator) -> Points:
    """Choose where spots are, `[n, 2]`: none, a few moles, or many freckles."""
    kind = rng.random()
    count = (
        0 if kind < 0.6 else int(rng.integers(1, 4)) if kind < 0.8 else int(rng.integers(15, 45))
    )
    x = rng.uniform(-0.62, 0.62, count)
    return np.column_stack([x, rng.uniform(0.1, 0.6, count) + 0.15 * np.abs(x)])


def _moustache(mouth: Mouth) -> Points:
    right = np.array([(0.06, mouth.y - mouth.upper - 0.14), (0.7 * mouth.width, mouth.y - mouth.upper - 0.06),
                      (1.15 * mouth.width, mouth.y + 0.06), (0.7 * mouth.width, mouth.y)])  # fmt: skip
    return np.concatenate([right, mirrored(right)[::-1]])


def _cheek_line(head: Head, beard: Beard, mouth: Mouth) -> Points:
    """Return the upper edge, from the image's left ear to its right one."""
    w = head.width
    if beard.style == "chinstrap":
        right = np.array(
            [(0.97 * w, 0.15), (0.86 * w, 0.45), (0.6 * w, 0.86), (0.3 * w, head.chin_y - 0.1)]
        )
    else:
        high = 0.62 - 0.2 * beard.line
        right = np.array([(0.96 * w, 0.12), (0.84 * w, high - 0.05), (0.5 * w, high + 0.1),
                          (mouth.width * 1.05, mouth.y - 0.12)])  # fmt: skip
    return np.concatenate([mirrored(right), right[::-1]])
