"""Where the head is turned, and where each point of the face falls in the image."""

from dataclasses import dataclass

import numpy as np

from mobilekit.data.faces.curves import Points
from mobilekit.data.faces.ranges import Ranges

DEPTH = 0.72
"""Half axis of the head towards the camera, over its half width."""
HEIGHT = 1.35
"""Half axis of the head upwards, in the same unit as its width."""
JAW_DEPTH = 0.42
"""How far before the ears the chin is."""


@dataclass(frozen=True)
class Pose:
    """Angles in radians, and how the image is cut around the face."""

    roll: float = 0.0
    yaw: float = 0.0
    """Positive: the nose moves to the right of the image."""
    pitch: float = 0.0
    """Positive: the nose moves up."""
    margin: float = 0.5
    shift: tuple[float, float] = (0.0, 0.0)
    shear: float = 0.0
    stretch: float = 1.0
    near: float = 0.08
    """Strength of the perspective, 0 from far away."""


def draw_pose(rng: np.random.Generator, ranges: Ranges) -> Pose:
    """Choose a pose; turns near 0 are the likeliest."""
    roll, yaw, pitch = rng.triangular(-1, 0, 1, 3)
    wide = rng.uniform(-1, 1, 6)
    if rng.random() < 0.5:
        roll, yaw, pitch = wide[:3]
    return Pose(
        roll=float(np.radians(roll * ranges.roll)),
        yaw=float(np.radians(yaw * ranges.yaw)),
        pitch=float(np.radians(pitch * ranges.pitch)),
        margin=float(rng.uniform(*ranges.margin)),
        shift=(float(wide[3] * ranges.shift), float(wide[4] * ranges.shift)),
        shear=float(wide[5] * ranges.shear),
        stretch=float(rng.uniform(0.93, 1.07)),
        near=float(rng.uniform(0.0, 0.16)),
    )


@dataclass(frozen=True)
class Warp:
    """A smooth distortion of the plane: three waves, so that nothing is an ellipse."""

    waves: tuple[tuple[float, float, float, float, float], ...] = ()
    """Each: frequency in x and y, phase, strength in x and y."""

    def __call__(self, points: Points) -> Points:
        """Return points `[n, 2]` moved."""
        moved = points.copy()
        for across, down, phase, right, below in self.waves:
            wave = np.sin(points[:, 0] * across + points[:, 1] * down + phase)
            moved[:, 0] += right * wave
            moved[:, 1] += below * wave
        return moved


def draw_warp(rng: np.random.Generator, ranges: Ranges) -> Warp:
    """Choose a distortion."""
    found = []
    for strength in (1.0, 0.7, 0.5):
        across, down = rng.uniform(-3.2, 3.2, 2) / strength
        right, below = rng.uniform(-1, 1, 2) * ranges.warp * strength
        phase = rng.uniform(0, 6.283)
        found.append((float(across), float(down), float(phase), float(right), float(below)))
    return Warp(tuple(found))


class View:
    """Maps points of the head, in halves of its width, into shares of the image's side."""

    def __init__(
        self, pose: Pose, warp: Warp, width: float, landmarks: tuple[Points, Points]
    ) -> None:
        """Turn the head and cut the image.

        Args:
            pose: of the head.
            warp: of the person.
            width: half the width of the head.
            landmarks: on the outline `[n, 2]` and on the surface `[n, 2]`; their box is the face's.
        """
        self.pose, self._warp, self._width = pose, warp, width
        self._cos = float(np.cos(pose.yaw)), float(np.cos(pose.pitch))
        self._sin = float(np.sin(pose.yaw)), float(np.sin(pose.pitch))
        cos, sin = float(np.cos(pose.roll)), float(np.sin(pose.roll))
        self.turn = (cos * pose.stretch, pose.shear - sin, sin * pose.stretch, cos)
        self.scale, self.offset = 1.0, np.zeros(2)
        outline, inner = landmarks
        found = np.concatenate([self.outline(outline), self.surface(inner)])
        low, high = found.min(0), found.max(0)
        self.scale = 1.0 / (float((high - low).max()) * (1 + pose.margin))
        self.offset = 0.5 + np.array(pose.shift) - (low + high) / 2 * self.scale
        edges = np.concatenate([low, high]) * self.scale + np.tile(self.offset, 2)
        self.box = tuple(edges.tolist())
        """Left, top, right and bottom of the landmarks."""

    def surface(self, points: Points, lift: float = 0.0) -> Points:
        """Place points `[n, 2]` that lie on the front of the head, or `lift` above it."""
        return self.space(np.column_stack([points, self.depth(points) + lift]))

    def depth(self, points: Points) -> Points:
        """Return how far before the plane of the ears the front of the head is, `[n]`."""
        inside = 1 - (points[:, 0] / self._width) ** 2 - (points[:, 1] / HEIGHT) ** 2
        return np.sqrt(np.maximum(inside, 0)) * (DEPTH * self._width)

    def space(self, points: Points) -> Points:
        """Place points of the head, `[n, 3]`."""
        (yaw_cos, pitch_cos), (yaw_sin, pitch_sin) = self._cos, self._sin
        x = points[:, 0] * yaw_cos + points[:, 2] * yaw_sin
        z = points[:, 2] * yaw_cos - points[:, 0] * yaw_sin
        y = points[:, 1] * pitch_cos - z * pitch_sin
        z = points[:, 1] * pitch_sin + z * pitch_cos
        near = 1 / (1 - self.pose.near * z)
        return self.flat(np.column_stack([x * near, y * near]))

    def outline(self, points: Points) -> Points:
        """Place points `[n, 2]` of the outline, which stays in sight however the head is turned."""
        jaw = JAW_DEPTH * ((points[:, 1] - 0.1).clip(0) / 0.9).clip(0, 1.1)
        x = points[:, 0] + (jaw - 0.1) * self._sin[0]
        y = points[:, 1] * self._cos[1] - jaw * self._sin[1]
        return self.flat(np.column_stack([x, y]))

    def flat(self, points: Points) -> Points:
        """Place points `[n, 2]` of the turned head's plane: distortion, roll and shear, then the cut."""
        moved = self._warp(points)
        a, b, c, d = self.turn
        x, y = moved[:, 0], moved[:, 1]
        turned = np.column_stack([a * x + b * y, c * x + d * y])
        return turned * self.scale + self.offset
