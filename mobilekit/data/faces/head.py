"""The head itself: outline, ears, neck and what is worn below it."""

from dataclasses import dataclass

import numpy as np

from mobilekit.data.faces.curves import Points, closed, ellipse, mirrored
from mobilekit.data.faces.pose import View
from mobilekit.data.faces.sketch import FACE, NECK, THING, Colour, Material, Sketch, mixed, scaled

SKIN = 1
RAMP: tuple[Colour, ...] = (
    (0.17, 0.10, 0.07), (0.29, 0.17, 0.11), (0.43, 0.26, 0.17), (0.58, 0.38, 0.26),
    (0.72, 0.51, 0.37), (0.84, 0.64, 0.50), (0.92, 0.75, 0.64), (0.97, 0.85, 0.77),
)  # fmt: skip
"""Tones of skin from the darkest to the palest."""


@dataclass(frozen=True)
class Head:
    """Measures in halves of a mean head's width; y is 0 at the eyes."""

    width: float
    crown: float
    """How high above the eyes the skull ends."""
    cheek: float
    jaw: float
    """Widths of cheek, jaw and chin, as shares of the head's."""
    chin: float
    chin_y: float
    ear: float
    """Half the height of an ear."""
    ear_out: float
    neck: float

    def outline(self, drop: float = 0.0) -> Points:
        """Return the outline from the crown around, the chin lowered by `drop`, `[n, 2]`."""
        w, top, low = self.width, -self.crown, self.chin_y + drop
        right = np.array([
            (0.34 * w, 0.97 * top), (0.72 * w, 0.80 * top), (0.95 * w, 0.45 * top), (w, -0.05),
            (self.cheek * w, 0.36), (self.jaw * w, 0.70 + 0.5 * drop),
            ((self.jaw + self.chin) / 2 * w, 0.70 + 0.62 * (low - 0.70)), (self.chin * w, low - 0.03),
        ])  # fmt: skip
        tip = np.array([(0.0, low)])
        return closed(np.concatenate([right, tip, mirrored(right)[::-1]]), 3)


def draw_head(rng: np.random.Generator) -> Head:
    """Choose a head."""
    u = rng.uniform(0, 1, 9)
    return Head(
        width=float(0.73 + 0.16 * u[0]),
        crown=float(1.02 + 0.25 * u[1]),
        cheek=float(0.93 + 0.09 * u[2]),
        jaw=float(0.68 + 0.22 * u[3]),
        chin=float(0.16 + 0.26 * u[4]),
        chin_y=float(1.0 + 0.22 * u[5]),
        ear=float(0.19 + 0.1 * u[6]),
        ear_out=float(0.03 + 0.12 * u[7]),
        neck=float(0.55 + 0.25 * u[8]),
    )


def draw_skin(rng: np.random.Generator) -> Colour:
    """Choose a tone anywhere on the ramp, with an undertone."""
    place = rng.uniform(0, len(RAMP) - 1.001)
    tone = mixed(RAMP[int(place)], RAMP[int(place) + 1], place % 1)
    red, green, blue = rng.uniform(-0.03, 0.03, 3) + np.array(tone)
    return float(red), float(green), float(blue)


def paint_body(sketch: Sketch, view: View, head: Head, skin: Colour, clothes: Colour) -> None:
    """Draw neck and shoulders; they are background."""
    w = head.width * head.neck
    tilt = 0.35 * view.pose.yaw
    neck = np.array([(-w, 0.3), (w, 0.3), (w * 1.02 - tilt, 1.5), (w * 1.5 - tilt, 1.9),
                     (-w * 1.5 - tilt, 1.9), (-w * 1.02 - tilt, 1.5)])  # fmt: skip
    sketch.polygon(view.flat(neck), Material(scaled(skin, 0.86), 0, NECK))
    right = np.array([(0.6 * w, 1.62), (1.6 * w, 1.62), (1.75, 1.92), (2.3, 2.6), (2.4, 4.2)])
    points = np.concatenate([right, mirrored(right)[::-1], [(0.0, 1.95)]])
    points[:, 0] -= tilt
    sketch.polygon(view.flat(points), Material(clothes, 0, THING))
    collar = np.concatenate([points[[0, 1, 2]] + (0.0, 0.1), points[[7, 8, 9]] + (0.0, 0.1)])
    sketch.polygon(view.flat(collar[[0, 1, 2]]), Material(scaled(clothes, 0.8), 0, THING))
    sketch.polygon(view.flat(collar[[3, 4, 5]]), Material(scaled(clothes, 0.8), 0, THING))


def paint_ear(sketch: Sketch, view: View, head: Head, skin: Colour, side: int) -> None:
    """Draw an ear; it is background. `side` is 1 for the right of the image, -1 for the left."""
    x = side * head.width * 0.97
    outer = ellipse((0.0, 0.0), (1.0, 1.0), 14)
    for grow, shade in ((1.0, 0.95), (0.6, 0.7)):
        flap = np.column_stack([
            x + side * head.ear_out * (0.5 + outer[:, 0] * grow),
            0.12 + outer[:, 1] * head.ear * grow * (1 - 0.2 * outer[:, 1]),
            -0.12 - 0.1 * outer[:, 0] * side * side,
        ])  # fmt: skip
        sketch.polygon(view.space(flap), Material(scaled(skin, shade), 0, NECK))


def ear_points(head: Head) -> Points:
    """Return the middles of the right and the left ear, `[2, 3]`; the person's right is the image's left."""
    return np.array([(-head.width, 0.08, -0.05), (head.width, 0.08, -0.05)])


def paint_skull(sketch: Sketch, outline: Points, skin: Colour) -> None:
    """Draw the head as bare skin; outline `[n, 2]` in the image."""
    sketch.polygon(outline, Material(skin, SKIN, FACE))
