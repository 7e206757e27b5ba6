"""All that makes one picture of a face: who, doing what, turned how, in which light, where."""

from dataclasses import dataclass

import numpy as np

from mobilekit.data.faces.beard import Beard, draw_beard, draw_freckles
from mobilekit.data.faces.expression import Expression, draw_expression
from mobilekit.data.faces.eyes import Brows, Eyes, draw_brows, draw_eyes
from mobilekit.data.faces.hair import Hair, draw_hair
from mobilekit.data.faces.head import Head, draw_head, draw_skin
from mobilekit.data.faces.light import Bump, Light, draw_light
from mobilekit.data.faces.mouth import Mouth, Nose, draw_mouth, draw_nose
from mobilekit.data.faces.pose import Pose, Warp, draw_pose, draw_warp
from mobilekit.data.faces.ranges import Ranges
from mobilekit.data.faces.sketch import Colour, mixed
from mobilekit.data.faces.wear import Glasses, Hat, draw_glasses, draw_hat

Seed = int


@dataclass(frozen=True)
class MakeUp:
    """How strongly lips, lids and cheeks are coloured, 0–1."""

    colour: Colour = (0.7, 0.1, 0.2)
    lids: float = 0.0
    cheeks: float = 0.0


@dataclass(frozen=True)
class Identity:
    """A person, with what is worn."""

    skin: Colour
    head: Head
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    hair: Hair
    beard: Beard | None
    glasses: Glasses | None
    hat: Hat | None
    make_up: MakeUp
    freckles: tuple[tuple[float, float], ...]
    warp: Warp
    age: float
    """Depth of the creases, 0–1."""
    grain: Seed
    """Of the fine structure of skin and hair."""


@dataclass(frozen=True)
class Scene:
    """What is behind and before the person."""

    backdrop: str
    decoys: int
    seed: Seed
    clothes: Colour
    occluders: tuple[tuple[str, Seed], ...] = ()


@dataclass(frozen=True)
class Face:
    """One picture; `dataclasses.replace` changes who, how or where, and leaves the rest."""

    identity: Identity
    expression: Expression
    pose: Pose
    light: Light
    scene: Scene


def draw_face(rng: np.random.Generator, ranges: Ranges) -> Face:
    """Choose everything."""
    return Face(
        identity=draw_identity(rng, ranges),
        expression=draw_expression(rng),
        pose=draw_pose(rng, ranges),
        light=draw_light(rng, ranges),
        scene=draw_scene(rng, ranges),
    )


def draw_identity(rng: np.random.Generator, ranges: Ranges) -> Identity:
    """Choose a person."""
    skin = draw_skin(rng)
    hair = draw_hair(rng, ranges.hair)
    mouth = draw_mouth(rng, skin)
    beard = draw_beard(rng, hair.colour, skin)
    bearded = rng.random() < ranges.beard
    make_up = _draw_make_up(rng)
    if not bearded and rng.random() < ranges.make_up:
        lip = mixed(mouth.lip, make_up.colour, float(rng.uniform(0.3, 0.9)))
        mouth = Mouth(mouth.y, mouth.width, mouth.upper, mouth.lower, mouth.bow, lip)
    else:
        make_up = MakeUp()
    return Identity(
        skin=skin,
        head=draw_head(rng),
        eyes=draw_eyes(rng),
        brows=draw_brows(rng, hair.colour, skin),
        nose=draw_nose(rng),
        mouth=mouth,
        hair=hair,
        beard=beard if bearded else None,
        glasses=draw_glasses(rng, ranges),
        hat=draw_hat(rng, ranges),
        make_up=make_up,
        freckles=tuple((float(x), float(y)) for x, y in draw_freckles(rng)),
        warp=draw_warp(rng, ranges),
        age=float(rng.uniform(0, 1) ** 1.5),
        grain=_seed(rng),
    )


def draw_scene(rng: np.random.Generator, ranges: Ranges) -> Scene:
    """Choose what is around a person."""
    red, green, blue = rng.uniform(0.03, 0.97, 3).tolist()
    kinds = ranges.backdrops
    occluded = rng.random() < ranges.occluded
    kind = ranges.occluders[int(rng.integers(len(ranges.occluders)))]
    before = (kind, _seed(rng))
    return Scene(
        backdrop=kinds[int(rng.integers(len(kinds)))],
        decoys=ranges.decoys,
        seed=_seed(rng),
        clothes=(red, green, blue),
        occluders=(before,) if occluded else (),
    )


def relief_of(identity: Identity, expression: Expression) -> tuple[Bump, ...]:
    """Return hills and hollows of a face: brows, sockets, nose, cheeks, lips and chin."""
    nose, mouth, eyes = identity.nose, identity.mouth, identity.eyes
    low = mouth.y + 0.2 * expression.open
    cheek = 0.035 + 0.05 * max(0.0, expression.smile)
    crease = -0.02 - 0.045 * identity.age * (0.5 + max(0.0, expression.smile))
    found = [
        Bump((0.0, 0.5 * nose.tip_y), (nose.bridge * 1.5, 0.24), 0.3 * nose.out),
        Bump((0.0, nose.tip_y - 0.02), (nose.tip * 1.5, 0.12), 0.85 * nose.out),
        Bump((0.0, nose.tip_y + 0.13), (nose.width, 0.035), -0.04),
        Bump((0.0, mouth.y - 0.04), (mouth.width, 0.06), 0.05),
        Bump((0.0, low + 0.06), (mouth.width * 0.8, 0.06), 0.06),
        Bump((0.0, low + 0.19), (mouth.width * 0.8, 0.05), -0.05),
        Bump((0.0, identity.head.chin_y - 0.1 + 0.2 * expression.open), (0.17, 0.12), 0.09),
    ]
    for side in (-1, 1):
        found += [
            Bump((side * nose.width * 0.85, nose.tip_y + 0.01), (0.055, 0.06), 0.05),
            Bump((side * eyes.apart, -0.02), (eyes.width * 1.2, 0.13), -0.085),
            Bump((side * eyes.apart, 0.0), (eyes.width * 0.7, 0.07), 0.05),
            Bump((side * eyes.apart, -identity.brows.above), (0.2, 0.06), 0.045),
            Bump((side * 0.44, 0.36), (0.17, 0.14), cheek),
            Bump((side * (mouth.width + 0.06), 0.55), (0.03, 0.13), crease),
        ]
    return tuple(found)


def _draw_make_up(rng: np.random.Generator) -> MakeUp:
    red, green, blue, lids, cheeks = rng.uniform(0, 1, 5).tolist()
    return MakeUp(
        (0.4 + 0.5 * red, 0.05 + 0.35 * green, 0.1 + 0.4 * blue), 0.6 * lids, 0.4 * cheeks
    )


def _seed(rng: np.random.Generator) -> Seed:
    return int(rng.integers(1 << 53))
