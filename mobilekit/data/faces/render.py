"""Draw a face: shapes with their labels, then light, backdrop and glasses over them."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mobilekit.data.faces import beard, eyes, hair, head, light, mouth, wear
from mobilekit.data.faces.backdrop import backdrop, noise
from mobilekit.data.faces.curves import Points
from mobilekit.data.faces.face import Face, relief_of
from mobilekit.data.faces.occluders import paint_occluder
from mobilekit.data.faces.pose import View
from mobilekit.data.faces.sketch import (
    BACKDROP,
    FACE,
    HAIR,
    NECK,
    THING,
    Colour,
    Plane,
    Sketch,
    mixed,
)

Labels = npt.NDArray[np.uint8]
TURNED = 0.1
"""Angle from which the nearer ear is before the head, in radians."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture and what is known of it; before any camera."""

    image: npt.NDArray[np.uint8]
    """`[size, size, 3]`."""
    labels: Labels
    """`[size, size]`, numbers of `HELEN_LABELS`."""
    box: tuple[float, float, float, float]
    """Left, top, right and bottom of brows, jaw and chin, in pixels; parts may be hidden or outside."""
    points: npt.NDArray[np.float32]
    """`[6, 2]`, x and y in pixels, in the order of `KEY_POINTS`."""


def render(face: Face, size: int) -> Portrait:
    """Draw a face as `[size, size]` pixels.

    The labels are exact: of the samples whose mean a pixel is, most have its label.
    """
    who, drop = face.identity, mouth.drop_of(face.expression)
    outline = who.head.outline(drop)
    inner = eyes.brow_points(who.eyes, who.brows)
    view = View(face.pose, who.warp, who.head.width, (outline[outline[:, 1] > -0.06], inner))
    sketch = Sketch(size)
    placed = view.outline(outline)
    _paint(sketch, view, face, placed)
    return Portrait(
        image=_lit(sketch, view, face, placed),
        labels=sketch.labels(),
        box=tuple(edge * size for edge in view.box),
        points=(_points(view, face) * size).astype(np.float32),
    )


def _paint(sketch: Sketch, view: View, face: Face, outline: Points) -> None:
    """Draw all shapes from the farthest to the nearest."""
    who, expression = face.identity, face.expression
    hair.paint_back(sketch, view, who.head, who.hair)
    head.paint_body(sketch, view, who.head, who.skin, face.scene.clothes)
    for side in (-1, 1):
        head.paint_ear(sketch, view, who.head, who.skin, side)
    head.paint_skull(sketch, outline, who.skin)
    if abs(face.pose.yaw) > TURNED:
        head.paint_ear(sketch, view, who.head, who.skin, -1 if face.pose.yaw > 0 else 1)
    beard.paint_freckles(sketch, view, np.array(who.freckles).reshape(-1, 2), who.skin)
    if who.beard is not None:
        whose = (who.beard, who.mouth)
        beard.paint_beard(sketch, view, who.head, whose, mouth.drop_of(expression))
    lid = mixed(who.skin, who.make_up.colour, who.make_up.lids)
    mouth.paint_mouth(sketch, view, who.mouth, expression)
    for side in (-1, 1):
        eyes.paint_eye(sketch, view, who.eyes, expression, lid, side)
        eyes.paint_brow(sketch, view, (who.eyes, who.brows), expression, side)
    mouth.paint_nose(sketch, view, who.nose, who.skin)
    if who.glasses is not None and who.glasses.tint == 1.0:
        wear.paint_dark_lenses(sketch, view, who.eyes, who.glasses)
    hair.paint_front(sketch, view, who.head, who.hair)
    if who.hat is not None:
        wear.paint_hat(sketch, view, who.head, who.hat)
    for kind, seed in face.scene.occluders:
        paint_occluder(sketch, kind, seed, who.skin)


def _lit(sketch: Sketch, view: View, face: Face, outline: Points) -> npt.NDArray[np.uint8]:
    """Shade the drawing and lay it over its backdrop, `[size, size, 3]`."""
    size, scene = sketch.size, face.scene
    relief = light.Relief(view, outline, relief_of(face.identity, face.expression), size)
    colours = sketch.colours()
    behind = backdrop(scene.backdrop, scene.seed, scene.decoys, size)
    ground = behind.astype(np.float32) * np.float32(face.light.level * 0.85 / 255)
    covered = 1 - sketch.share(BACKDROP)
    shade, shine = _shade(sketch, relief, face)
    tint = np.array(face.light.colour, np.float32)
    image = colours * shade[..., None] * tint + shine[..., None]
    image += ground * (1 - covered)[..., None]
    _wear_glasses(image, sketch, view, face)
    levels: npt.NDArray[np.uint8] = np.rint(image.clip(0, 1) * 255).astype(np.uint8)
    return levels


def _shade(sketch: Sketch, relief: light.Relief, face: Face) -> tuple[Plane, Plane]:
    """Return what the colours of each pixel are multiplied by, and the shine that is added."""
    size = sketch.size
    rng = np.random.default_rng(face.identity.grain)
    fine, coarse, strands = (
        np.asarray(noise(rng, cells, size), np.float32) * np.float32(1 / 255) - np.float32(0.5)
        for cells in ((64, 64), (14, 14), (72, 5))
    )
    skin, neck, locks, things = (sketch.share(kind) for kind in (FACE, NECK, HAIR, THING))
    lit, shine = relief.shading(face.light)
    plain, gloss = relief.shading(face.light, smooth=True)
    shadow = light.cast(np.minimum(locks + things, 1), face.light, 0.035)
    chin = light.cast(
        skin, replace(face.light, direction=(face.light.direction[0], -0.8, 0.0)), 0.08
    )
    face_shade = lit * (1 + np.float32(0.06) * fine + np.float32(0.08) * coarse)
    face_shade *= 1 - np.float32(0.6) * shadow
    streaks = _radial(strands, relief)
    level = np.float32(face.light.level)
    total = (
        skin * face_shade
        + neck * (np.float32(0.45) * plain + np.float32(0.5) * level) * (1 - np.float32(0.6) * chin)
        + locks * plain * (1 + np.float32(0.9) * streaks + np.float32(0.3) * fine)
        + things * level * (np.float32(0.85) + np.float32(0.25) * coarse + np.float32(0.15) * fine)
    )
    shown = skin + neck + locks + things
    factor = total / np.maximum(shown, np.float32(1e-3))
    return factor, skin * shine * (1 - shadow) + np.float32(0.7) * locks * gloss * (
        streaks + np.float32(0.5)
    )


def _radial(strands: Plane, relief: light.Relief) -> Plane:
    """Bend vertical streaks `[size, size]` so that they run down from the crown."""
    size = len(strands)
    x = relief.across / (np.abs(relief.down + np.float32(1.0)) * np.float32(0.6) + np.float32(0.5))
    column = ((x + np.float32(1.6)) * np.float32(size / 3.2)).astype(np.int64).clip(0, size - 1)
    row = (
        ((relief.down + np.float32(1.6)) * np.float32(size / 4.8))
        .astype(np.int64)
        .clip(0, size - 1)
    )
    found: Plane = strands[row, column]
    return found


def _wear_glasses(image: Plane, sketch: Sketch, view: View, face: Face) -> None:
    """Lay tint, glare and frames over the face, where hair and things leave it to see."""
    worn, who = face.identity.glasses, face.identity
    if worn is None:
        return
    free = sketch.share(FACE) + sketch.share(NECK)
    if worn.tint < 1.0:
        both = sketch.mask(*wear.lenses(view, who.eyes, worn)) * free
        _blend(image, both * np.float32(worn.tint), (0.12, 0.12, 0.14))
        glare = np.asarray(noise(np.random.default_rng(who.grain), (3, 3), sketch.size), np.float32)
        _blend(image, both * glare * np.float32(worn.glare / 255), (0.95, 0.97, 1.0))
    else:
        free = np.minimum(free + sketch.share(THING), 1)
    _blend(image, sketch.mask(*wear.frame(view, who.head, who.eyes, worn)) * free, worn.colour)


def _blend(image: Plane, share: Plane, colour: Colour) -> None:
    """Mix a colour into an image, in place."""
    image += share[..., None] * (np.array(colour, np.float32) - image)


def _points(view: View, face: Face) -> Points:
    """Return the six key points in the image, `[6, 2]`, 0–1."""
    who = face.identity
    return np.concatenate([
        view.surface(eyes.eye_points(who.eyes)),
        view.space(mouth.nose_tip(view, who.nose)),
        mouth.mouth_middle(view, who.mouth, face.expression),
        view.space(head.ear_points(who.head)),
    ])  # fmt: skip
