"""Clips: one person before one camera, whose pose, expression and light walk on from frame to frame."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mobilekit.core.errors import DataError
from mobilekit.core.seeding import child_seed
from mobilekit.data.camera import apply, draw
from mobilekit.data.faces.dataset import camera_of, task_classes
from mobilekit.data.faces.expression import Expression
from mobilekit.data.faces.face import Face, draw_face
from mobilekit.data.faces.light import Light
from mobilekit.data.faces.pose import Pose
from mobilekit.data.faces.ranges import Style, ranges_of
from mobilekit.data.faces.render import Portrait, render

MOVING = {"roll": 0.02, "yaw": 0.03, "pitch": 0.02, "margin": 0.006}
"""Greatest step of a pose per frame: radians, and share of the box."""
SHIFTING = 0.004
"""Of the place in the image, per frame and axis, as a share of its side."""
FACING = {"open": 0.08, "smile": 0.06, "pucker": 0.03, "skew": 0.02, "frown": 0.05}
GLANCING, LIFTING, LIGHTING = 0.08, 0.05, 0.02
RESTING = 0.3
"""Chance that the head rests in a frame; the camera's noise goes on."""
BLINKING = 0.04
"""Chance of a blink to begin in a frame; it lasts three."""
_LIDS = (0.3, 0.05, 0.4)


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames as a camera takes them, with the class of each pixel."""

    images: Tensor
    """Float32 `[T, 3, size, size]` in 0–1."""
    classes: Tensor
    """Int64 `[T, size, size]`, the 10 classes of `FACE_LABELS`."""


def clip(
    index: int, frames: int = 16, size: int = 96, seed: int = 0, style: Style = "faces"
) -> Clip:
    """Draw a clip that follows from the seed, the style and its number alone; its person is in no other set.

    Args:
        index: number of the clip, at least 0.
        frames: T, at least 1.
        size: side of an image in pixels.
        seed: of all that is random.
        style: "faces" or "faces-hard".

    Raises:
        DataError: an unknown style, a negative number, or no frame.
    """
    portraits = walk(index, frames, size, seed, style)
    rng = np.random.default_rng([child_seed(seed, "faces", style, "clip camera"), index])
    settings = draw(rng, camera_of(style))
    images = [
        apply(one.image.astype(np.float32) / np.float32(255), settings, rng) for one in portraits
    ]
    stacked: npt.NDArray[np.float32] = np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))
    classes = torch.stack([task_classes(one.labels) for one in portraits])
    return Clip(torch.from_numpy(stacked), classes)


def walk(
    index: int, frames: int, size: int, seed: int = 0, style: Style = "faces"
) -> list[Portrait]:
    """Draw a clip's frames before the camera.

    Raises:
        DataError: an unknown style, a negative number, or no frame.
    """
    ranges = ranges_of(style)
    if index < 0 or frames < 1:
        raise DataError(
            f"clip: {index} with {frames} frames; there are clips 0, 1, … of 1 frame or more"
        )
    rng = np.random.default_rng([child_seed(seed, "faces", style, "clip"), index])
    face = draw_face(rng, ranges)
    blinking, found = 0, []
    for _ in range(frames):
        found.append(render(_blinked(face, blinking), size))
        blinking = blinking - 1 if blinking else 3 * int(rng.random() < BLINKING)
        if rng.random() >= RESTING:
            face = replace(
                face,
                pose=_turned(face.pose, rng),
                expression=_played(face.expression, rng),
                light=_relit(face.light, rng),
            )
    return found


def _blinked(face: Face, left: int) -> Face:
    """Shut the lids as far as the frames that a blink has left say."""
    if not left:
        return face
    low = _LIDS[3 - left]
    one, other = face.expression.lids
    return replace(face, expression=replace(face.expression, lids=(min(one, low), min(other, low))))


def _step(rng: np.random.Generator, size: float) -> float:
    return float(rng.uniform(-size, size))


def _turned(pose: Pose, rng: np.random.Generator) -> Pose:
    steps = {name: getattr(pose, name) + _step(rng, size) for name, size in MOVING.items()}
    across, down = (value + _step(rng, SHIFTING) for value in pose.shift)
    return replace(pose, **{**steps, "margin": max(0.2, steps["margin"])}, shift=(across, down))


def _played(expression: Expression, rng: np.random.Generator) -> Expression:
    steps = {name: getattr(expression, name) + _step(rng, size) for name, size in FACING.items()}
    for name in ("open", "pucker", "frown"):
        steps[name] = min(1.0, max(0.0, steps[name]))
    steps["smile"] = min(1.3, max(-1.3, steps["smile"]))
    across, down = (min(1.0, max(-1.0, value + _step(rng, GLANCING))) for value in expression.gaze)
    lift = _step(rng, LIFTING)
    left, right = (min(1.3, max(-1.3, value + lift)) for value in expression.brows)
    return replace(expression, **steps, gaze=(across, down), brows=(left, right))


def _relit(light: Light, rng: np.random.Generator) -> Light:
    level = min(1.4, max(0.6, light.level + _step(rng, LIGHTING)))
    return replace(light, level=level)
