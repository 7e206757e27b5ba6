"""Which cameras there are: ranges as data, and the settings of one camera drawn from them."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from mobilekit.core.errors import DataError

Range = tuple[float, float]
"""Least and greatest value."""


@dataclass(frozen=True)
class CameraRanges:
    """Between which values a camera's settings are drawn, evenly."""

    blur: Range = (0.2, 0.8)
    """Standard deviation of the lens's blur, as a share of 1/100 of the image's shorter side."""
    vignette: Range = (0.0, 0.35)
    """Light lost in the corners, a share."""
    exposure: Range = (0.8, 1.2)
    """Factor on all channels."""
    balance: Range = (0.88, 1.14)
    """Factor on red, and another on blue."""
    shot: Range = (0.0, 0.0008)
    """Variance of noise per unit of light."""
    read: Range = (0.002, 0.014)
    """Standard deviation of noise in the dark."""
    gamma: Range = (0.8, 1.25)
    resampled: float = 0.3
    """Share of images that are made smaller and large again."""
    scale: Range = (0.6, 1.0)
    """Of the smaller image's side."""
    quality: Range = (40, 95)
    """Of JPEG, 1–100."""
    subsampled: float = 0.5
    """Share of images with colours stored at half size."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            low, high = value if isinstance(value, tuple) else (value, 1.0)
            if not 0 <= low <= high:
                raise DataError(
                    f"camera: {field.name} is a range from low to high, none below 0, not {value}"
                )
        if self.quality[0] < 1 or self.quality[1] > 100:
            raise DataError(f"camera: quality is between 1 and 100, not {self.quality}")
        if self.scale[0] == 0 or self.scale[1] > 1:
            raise DataError(f"camera: scale is above 0 and at most 1, not {self.scale}")


EVERYDAY = CameraRanges()
HARD = CameraRanges(
    blur=(0.3, 1.3),
    vignette=(0.0, 0.6),
    exposure=(0.6, 1.4),
    balance=(0.76, 1.3),
    shot=(0.0, 0.003),
    read=(0.004, 0.028),
    gamma=(0.65, 1.5),
    resampled=0.5,
    scale=(0.45, 1.0),
    quality=(20, 80),
    subsampled=0.8,
)
"""Dimmer light, cheaper lenses, smaller files: to judge on, not to train on."""


@dataclass(frozen=True)
class CameraSettings:
    """One camera in one light; frames of one clip share them."""

    blur: float
    vignette: float
    centre: tuple[float, float]
    """Where the lens looks, down and across, each in -1–1."""
    gains: tuple[float, float, float]
    """Factors on red, green and blue."""
    shot: float
    read: float
    gamma: float
    scale: float
    """1 where nothing is resampled."""
    quality: int
    subsampled: bool


def draw(rng: np.random.Generator, ranges: CameraRanges = EVERYDAY) -> CameraSettings:
    """Draw a camera's settings; each takes its numbers from `rng` whatever the others are."""
    exposure = rng.uniform(*ranges.exposure)
    red, blue = rng.uniform(*ranges.balance, 2).tolist()
    down, across = rng.uniform(-0.2, 0.2, 2).tolist()
    resampled = rng.random() < ranges.resampled
    scale = rng.uniform(*ranges.scale)
    return CameraSettings(
        blur=rng.uniform(*ranges.blur),
        vignette=rng.uniform(*ranges.vignette),
        centre=(down, across),
        gains=(exposure * red, exposure, exposure * blue),
        shot=rng.uniform(*ranges.shot),
        read=rng.uniform(*ranges.read),
        gamma=rng.uniform(*ranges.gamma),
        scale=scale if resampled else 1.0,
        quality=round(rng.uniform(*ranges.quality)),
        subsampled=bool(rng.random() < ranges.subsampled),
    )
