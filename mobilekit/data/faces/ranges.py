"""From which ranges faces are drawn: those to train on, and others that are held out."""

from dataclasses import dataclass
from typing import Literal, get_args

from mobilekit.core.errors import DataError, suggestion

Range = tuple[float, float]
Style = Literal["faces", "faces-hard"]


@dataclass(frozen=True)
class Ranges:
    """What may vary, and how far. Angles are degrees either way; rates are shares of the faces, 0–1."""

    roll: float
    yaw: float
    pitch: float
    margin: Range
    """By which share of its larger side the landmark box grows to become the image."""
    shift: float
    """Greatest offset of the box from the centre, as a share of the image's side."""
    shear: float
    warp: float
    """Of the smooth distortion, as a share of half the head's width."""
    contrast: Range
    """Share of light that comes from one direction."""
    hair: tuple[str, ...]
    beard: float
    glasses: float
    dark_glasses: float
    """Share of glasses that hide the eyes."""
    hat: float
    make_up: float
    occluded: float
    """Faces with something before them."""
    occluders: tuple[str, ...]
    backdrops: tuple[str, ...]
    decoys: int
    """Most shapes of the colour of skin behind the head."""


EVERYDAY = Ranges(
    roll=28,
    yaw=34,
    pitch=18,
    margin=(0.3, 0.7),
    shift=0.09,
    shear=0.06,
    warp=0.035,
    contrast=(0.25, 0.8),
    hair=(
        "bald", "buzz", "short", "parted", "swept", "bob", "long", "wavy", "curly", "bun",
        "bangs", "receding",
    ),
    beard=0.3,
    glasses=0.22,
    dark_glasses=0.12,
    hat=0.1,
    make_up=0.25,
    occluded=0.22,
    occluders=("hand", "bar", "blob"),
    backdrops=("gradient", "clouds", "stripes", "shards", "spots", "crowd"),
    decoys=5,
)  # fmt: skip
HARD = Ranges(
    roll=38,
    yaw=42,
    pitch=24,
    margin=(0.3, 0.8),
    shift=0.11,
    shear=0.1,
    warp=0.045,
    contrast=(0.5, 0.95),
    hair=("afro", "mohawk", "bowl", "ponytail", "long", "curly", "swept", "curtain", "bald"),
    beard=0.4,
    glasses=0.4,
    dark_glasses=0.25,
    hat=0.2,
    make_up=0.35,
    occluded=0.45,
    occluders=("hand", "phone", "mug", "strands", "bar"),
    backdrops=("bricks", "foliage", "plasma", "rooms", "crowd"),
    decoys=8,
)
STYLES: dict[str, Ranges] = {"faces": EVERYDAY, "faces-hard": HARD}


def ranges_of(style: str) -> Ranges:
    """Return the ranges of a style.

    Raises:
        DataError: there is no such style.
    """
    if style not in STYLES:
        raise DataError(
            f"faces: the style is {' or '.join(get_args(Style))}, not {style!r}"
            f"{suggestion(style, get_args(Style))}"
        )
    return STYLES[style]
