"""Hair: a cap with a hairline, what hangs behind and beside the face, and a fringe."""

from dataclasses import dataclass

import numpy as np

from mobilekit.data.faces.curves import Points, closed, ellipse, mirrored, opened
from mobilekit.data.faces.head import Head
from mobilekit.data.faces.pose import View
from mobilekit.data.faces.sketch import HAIR as SURFACE
from mobilekit.data.faces.sketch import Colour, Material, Sketch, mixed, scaled

HAIR = 10
COLOURS: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06), (0.16, 0.10, 0.07), (0.30, 0.18, 0.10), (0.46, 0.29, 0.16), (0.72, 0.55, 0.30),
    (0.86, 0.76, 0.52), (0.50, 0.22, 0.10), (0.62, 0.60, 0.58), (0.88, 0.87, 0.85),
)  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """A style: measures in halves of a mean head's width."""

    out: float
    """How far it stands out at the sides, and above the crown."""
    up: float
    length: float | None
    """Where it ends below the eyes; None where nothing hangs."""
    line: float
    """Height of the hairline above the eyes, and of its corners at the temples."""
    temple: float
    fringe: str
    rough: float
    knot: str


CUTS: dict[str, Cut] = {
    "bald": Cut(0.0, 0.0, None, 0.0, 0.0, "", 0.0, ""),
    "buzz": Cut(0.01, 0.02, None, 0.68, 0.5, "", 0.01, ""),
    "short": Cut(0.05, 0.12, None, 0.62, 0.5, "ragged", 0.04, ""),
    "parted": Cut(0.06, 0.13, None, 0.62, 0.5, "parted", 0.02, ""),
    "swept": Cut(0.06, 0.28, None, 0.66, 0.55, "", 0.06, ""),
    "receding": Cut(0.05, 0.05, None, 0.85, 0.95, "", 0.03, ""),
    "bob": Cut(0.16, 0.12, 0.75, 0.66, 0.5, "parted", 0.02, ""),
    "bangs": Cut(0.15, 0.12, 0.95, 0.6, 0.45, "straight", 0.02, ""),
    "long": Cut(0.12, 0.1, 1.9, 0.68, 0.5, "curtain", 0.03, ""),
    "wavy": Cut(0.22, 0.14, 1.5, 0.66, 0.5, "parted", 0.09, ""),
    "curly": Cut(0.3, 0.28, 0.7, 0.62, 0.48, "ragged", 0.13, ""),
    "bun": Cut(0.03, 0.05, None, 0.7, 0.5, "", 0.01, "bun"),
    "ponytail": Cut(0.03, 0.06, None, 0.7, 0.5, "curtain", 0.02, "tail"),
    "afro": Cut(0.5, 0.5, 0.35, 0.62, 0.5, "", 0.06, ""),
    "mohawk": Cut(0.0, 0.42, None, 0.75, 1.0, "", 0.12, ""),
    "bowl": Cut(0.14, 0.12, 0.1, 0.55, 0.4, "straight", 0.01, ""),
    "curtain": Cut(0.1, 0.14, 0.3, 0.7, 0.5, "curtain", 0.03, ""),
}


@dataclass(frozen=True)
class Hair:
    """A style as one person wears it."""

    style: str
    colour: Colour
    size: float
    """Factor on how far it stands out."""
    part: float
    """Where it parts, from -1 at the image's left temple to 1 at the right."""
    fall: float
    """Lowest point of the fringe, as a share of the way from the hairline to the eyes."""
    waves: tuple[float, ...]
    """Irregularity of the edges, -1–1."""

    @property
    def cut(self) -> Cut:
        """The measures of the style."""
        return CUTS[self.style]


def draw_hair(rng: np.random.Generator, styles: tuple[str, ...]) -> Hair:
    """Choose a style and a colour; one in twenty is dyed."""
    style = styles[int(rng.integers(len(styles)))]
    place = rng.uniform(0, 1) ** 1.4 * (len(COLOURS) - 1)
    colour = scaled(COLOURS[round(float(place))], float(rng.uniform(0.75, 1.2)))
    if rng.random() < 0.05:
        red, green, blue = rng.uniform(0.1, 0.9, 3)
        colour = float(red), float(green), float(blue)
    return Hair(
        style=style,
        colour=colour,
        size=float(rng.uniform(0.7, 1.4)),
        part=float(rng.uniform(-0.7, 0.7)),
        fall=float(rng.uniform(0.25, 0.85)),
        waves=tuple(rng.uniform(-1, 1, 16).tolist()),
    )


def paint_back(sketch: Sketch, view: View, head: Head, hair: Hair) -> None:
    """Draw what is behind the head: hanging hair, a bun or a tail."""
    cut, w = hair.cut, head.width
    dark = Material(scaled(hair.colour, 0.7), HAIR, SURFACE)
    if cut.length is not None:
        out, low = w + cut.out * hair.size, cut.length * (0.8 + 0.2 * hair.size)
        side = np.array([(0.6 * w, -head.crown), (out, -0.5), (out * 1.04, 0.2 * low), (out, 0.75 * low),
                         (0.8 * out, low)])  # fmt: skip
        side[1:, 0] *= 1 + cut.rough * np.array(hair.waves[:4])
        sketch.polygon(view.outline(closed(np.concatenate([side, mirrored(side)[::-1]]), 3)), dark)
    if cut.knot:
        x = hair.part * 0.3 if cut.knot == "bun" else w * (1 if hair.part > 0 else -1)
        y, size = (-head.crown - 0.1, (0.3, 0.26)) if cut.knot == "bun" else (0.2, (0.22, 0.95))
        sketch.polygon(view.outline(ellipse((x, y), size)), dark)


def paint_front(sketch: Sketch, view: View, head: Head, hair: Hair) -> None:
    """Draw the cap down to the hairline, the locks beside the face and the fringe."""
    if hair.style == "bald":
        return
    cut = hair.cut
    material = Material(hair.colour, HAIR, SURFACE)
    arc = _arc(head, hair)
    line = _hairline(head, hair)
    cap = np.concatenate([view.outline(arc), view.surface(line, 0.02)])
    sketch.polygon(cap, material)
    if cut.length is not None:
        for side in (-1, 1):
            _paint_lock(sketch, view, (head, hair), side)
    if cut.fringe:
        shade = mixed(hair.colour, (1.0, 0.95, 0.85), 0.04 + 0.03 * hair.waves[0])
        points = _fringe(head, hair, line)
        sketch.polygon(view.surface(points, 0.05), Material(shade, HAIR, SURFACE))


def _arc(head: Head, hair: Hair) -> Points:
    """Return the cap's outer edge, from the image's left ear over the crown to the right one."""
    cut, w = hair.cut, head.width
    out, top = w + cut.out * hair.size, head.crown + cut.up * hair.size
    if hair.style == "mohawk":
        half = np.array([(0.02 * w, -head.crown), (0.28 * w, -0.9 * head.crown), (0.2 * w, -top)])
        left = half[1:] * (-1, 1)
        return closed(np.concatenate([left, [(0.0, -top - 0.05)], half[:0:-1]]), 3)
    right = np.array([(0.45 * out, -0.97 * top), (0.8 * out, -0.78 * top), (0.99 * out, -0.42 * top),
                      (out, 0.02)])  # fmt: skip
    left = mirrored(right)[::-1]
    controls = np.concatenate([left, [(0.0, -top)], right])
    waves = np.array(hair.waves[:9])
    controls *= 1 + (cut.rough * waves)[:, None]
    return opened(controls, 3)


def _hairline(head: Head, hair: Hair) -> Points:
    """Return the edge on the forehead, from the right of the image to the left."""
    cut, w = hair.cut, head.width
    if hair.style == "mohawk":
        return np.array([(0.2 * w, -0.95), (0.0, -cut.line), (-0.2 * w, -0.95)])
    high = cut.line * head.crown / 1.1
    right = np.array([(0.99 * w, 0.12), (0.86 * w, 0.0), (0.84 * w, -0.3), (0.66 * w, -cut.temple),
                      (0.3 * w, -high * (1 + 0.06 * hair.waves[9]))])  # fmt: skip
    peak = np.array([(0.0, -high * (1 - 0.05 * hair.waves[10]))])
    return opened(np.concatenate([right, peak, mirrored(right)[::-1]]), 2)


def _fringe(head: Head, hair: Hair, line: Points) -> Points:
    """Return hair that falls over the forehead: from the hairline down to an edge of its kind."""
    w, high = head.width, hair.cut.line
    x = np.linspace(-0.82, 0.82, 13)
    if hair.cut.fringe == "straight":
        drop = np.full(13, hair.fall)
    elif hair.cut.fringe == "parted":
        drop = hair.fall * (np.abs(x - hair.part * 0.8) / 1.3).clip(0, 1) ** 0.7
    elif hair.cut.fringe == "curtain":
        drop = 0.1 + 1.3 * hair.fall * (np.abs(x - hair.part * 0.3) / 0.9).clip(0, 1) ** 1.5
    else:
        drop = hair.fall * (0.35 + 0.25 * np.array(hair.waves[:13]))
    y = -high + drop * (high - 0.02) + 0.03 * np.array(hair.waves[3:16])
    edge = np.column_stack([x * w, np.minimum(y, -0.02 + 0.3 * (np.abs(x) > 0.7))])
    crown = line[(line[:, 1] < -0.25)] - (0.0, 0.12)
    return np.concatenate([edge, crown])


def _paint_lock(sketch: Sketch, view: View, whose: tuple[Head, Hair], side: int) -> None:
    """Draw the hair that hangs before an ear."""
    head, hair = whose
    cut, w = hair.cut, head.width
    out, low = w + cut.out * hair.size, (cut.length or 0.0) * (0.8 + 0.2 * hair.size)
    wave = np.array(hair.waves[5:8] if side > 0 else hair.waves[8:11]) * (0.03 + cut.rough)
    inner = np.array([(0.80 * w, -0.45), (0.88 * w + wave[0], 0.15 * low), (0.86 * w + wave[1], 0.6 * low),
                      (0.92 * w + wave[2], low)])  # fmt: skip
    outer = np.array([(out, 0.9 * low), (out * 1.03, 0.45 * low), (out, 0.0), (0.97 * out, -0.5)])
    points = closed(np.concatenate([inner, outer]), 3) * (side, 1)
    placed = view.outline(points)
    sketch.polygon(placed, Material(scaled(hair.colour, 0.92), HAIR, SURFACE))
