"""Digits of 28 × 28 gray pixels that look written by hand, drawn from fonts: as hard as MNIST, offline.

A glyph of one of the fonts that come with matplotlib is rotated, sheared, scaled and moved, bent by a
smooth random field (Simard, Steinkraus and Platt, "Best practices for convolutional neural networks",
ICDAR 2003), made thicker or thinner, and gets strokes across it, uneven ink and noise. Image `i` depends
on the seed, the split and `i` alone.
"""

import importlib.util
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from mobilekit.core.errors import RuntimeUnavailableError
from mobilekit.core.seeding import child_seed
from mobilekit.data.task import Labelled, Sample, Split, check_request

SIDE = 28
"""Pixels of an image."""
_CANVAS = 64
"""Pixels of a glyph before it is warped."""
_HEIGHT = 44
"""Of a digit on the canvas, in pixels."""
_CHUNK = 512
"""Images warped at once."""
_FONTS = (
    *(f"DejaVu{name}" for name in ("Sans", "SansMono")),
    *(f"DejaVu{name}-{cut}" for name in ("Sans", "SansMono") for cut in ("Bold", "Oblique")),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmb10", "cmss10", "cmtt10", "cmti10"),
)
_STROKES = (0, 1, 3)
"""Widths, in pixels of the canvas, by which an outline is widened."""

Floats = npt.NDArray[np.float64]
Plan = dict[str, Any]
"""Random choices for one image, by name; for several, each stacked along the first axis."""


def digits(split: Split, count: int, seed: int = 0) -> Labelled:
    """Draw labelled digits: `"0"` to `"9"`, equally many of each in every ten images.

    Args:
        split: train and test never share an image.
        count: images, at least 1; image `i` is the same for every count.
        seed: of all that is random.

    Raises:
        DataError: an unknown split, or a count below 1.
        RuntimeUnavailableError: matplotlib's fonts are missing.
    """
    check_request("digits", split, count)
    key = child_seed(seed, "digits", split)
    labels = _labels(key, count)
    images = np.empty((count, 1, SIDE, SIDE), np.uint8)
    for start in range(0, count, _CHUNK):
        chosen = labels[start : start + _CHUNK]
        plans = [_plan(np.random.default_rng([key, start + i])) for i in range(len(chosen))]
        images[start : start + _CHUNK, 0] = _draw(chosen, plans)
    classes = tuple(str(digit) for digit in range(10))
    provenance = f"digits, drawn here (seed {seed}, {count:,} {split})"
    drawn = _Digits(torch.from_numpy(images), torch.from_numpy(labels))
    return Labelled("classification", classes, drawn, provenance)


class _Digits(Dataset[Sample]):
    """Images as uint8 `[n, 1, 28, 28]` and their digits, int64 `[n]`."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self._images = images
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Sample:
        return self._images[index].float().div_(255), self._labels[index].clone()

    def labels_of(self, index: int) -> frozenset[int]:
        return frozenset({int(self._labels[index])})


def _labels(key: int, count: int) -> npt.NDArray[np.int64]:
    """Return a shuffled row of the ten digits for every ten images, cut to `[count]`."""
    rows = [
        np.random.default_rng([key, row, 1]).permutation(10) for row in range(math.ceil(count / 10))
    ]
    return np.concatenate(rows)[:count].astype(np.int64)


def _plan(rng: np.random.Generator) -> Plan:
    """Choose how one digit is to look; lengths in pixels of the image, angles in radians."""
    return {
        "style": rng.integers(len(_FONTS) * len(_STROKES)),
        "angle": rng.normal(0, 0.11),
        "shear": rng.normal(0, 0.13),
        "stretch": np.exp(rng.normal((-0.05, 0), (0.1, 0.065))),
        "shift": rng.normal(0, 0.65, 2),
        "bend": rng.uniform(10, 30),
        "field": rng.uniform(-1, 1, (2, SIDE, SIDE)),
        "threshold": rng.uniform(0.3, 0.6),
        "softness": rng.uniform(0.15, 0.5),
        "crossed": rng.random(2) < (0.1, 0.2),
        "line": rng.uniform(-1, 1, (2, 4)),
        "width": rng.uniform(0.3, 1.0, 2),
        "ink": rng.uniform(0.55, 1),
        "paper": rng.uniform(0, 0.15),
        "noise": rng.uniform(0, 0.08) * rng.standard_normal((SIDE, SIDE)),
    }


def _draw(labels: npt.NDArray[np.int64], plans: list[Plan]) -> npt.NDArray[np.uint8]:
    """Draw the digits of the plans, `[n, 28, 28]`."""
    plan = {name: np.stack([one[name] for one in plans]) for name in plans[0]}
    rows, columns = _bent(plan)
    glyph = np.broadcast_to((plan["style"] * 10 + labels)[:, None, None], rows.shape)
    ink = ndimage.map_coordinates(_glyphs(), (glyph, rows, columns), output=np.float64, order=1)
    ink = np.clip((ink - _each(plan["threshold"])) / _each(plan["softness"]) + 0.5, 0, 1)
    added, rubbed = np.moveaxis(_lines(plan), 1, 0)
    ink = np.maximum(ink, added) * (1 - rubbed)
    paper = _each(plan["paper"])
    gray = paper + (_each(plan["ink"]) - paper) * ink + plan["noise"]
    found: npt.NDArray[np.uint8] = np.rint(np.clip(gray, 0, 1) * 255).astype(np.uint8)
    return found


def _bent(plan: Plan) -> tuple[Floats, Floats]:
    """Return where on the canvas each pixel lies: its rows and columns, each `[n, 28, 28]`."""
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    # The standard deviation of Simard et al., 4 pixels; the bend is their alpha.
    field = ndimage.gaussian_filter(plan["field"], 4, axes=(2, 3)) * _each(plan["bend"])[:, None]
    y = axis[:, None] + field[:, 0] - _each(plan["shift"][:, 0])
    x = axis[None, :] + field[:, 1] - _each(plan["shift"][:, 1])
    cosine, sine = _each(np.cos(plan["angle"])), _each(np.sin(plan["angle"]))
    x, y = cosine * x + sine * y, cosine * y - sine * x
    x = x + _each(plan["shear"]) * y
    zoom = _HEIGHT / 20  # a digit is 20 pixels high, as in MNIST
    middle = (_CANVAS - 1) / 2
    width, height = plan["stretch"].T
    return middle + zoom * y / _each(height), middle + zoom * x / _each(width)


def _lines(plan: Plan) -> Floats:
    """Draw two segments per image, 0 to 1, `[n, 2, 28, 28]`; nothing where the plan has none."""
    ends = plan["line"][..., None, None] * (SIDE / 2)
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    y, x = axis[:, None] - ends[:, :, 0], axis[None, :] - ends[:, :, 1]
    along = ends[:, :, 2:] - ends[:, :, :2]
    length = (along**2).sum(2).clip(1e-6)
    part = ((y * along[:, :, 0] + x * along[:, :, 1]) / length).clip(0, 1)
    distance = np.hypot(y - part * along[:, :, 0], x - part * along[:, :, 1])
    drawn = np.clip(plan["width"][..., None, None] + 0.5 - distance, 0, 1)
    return np.where(plan["crossed"][..., None, None], drawn, 0)


def _each(values: Floats) -> Floats:
    """Shape one number per image, `[n]`, to broadcast over its pixels."""
    return values[:, None, None]


@cache
def _glyphs() -> npt.NDArray[np.float32]:
    """Render each digit in each style, slightly blurred: 0 to 1, `[styles × 10, 64, 64]`."""
    found = importlib.util.find_spec("matplotlib")
    places = (found.submodule_search_locations if found else None) or []
    folders = [Path(place) / "mpl-data" / "fonts" / "ttf" for place in places]
    if not folders or not all((folders[0] / f"{font}.ttf").is_file() for font in _FONTS):
        raise RuntimeUnavailableError(
            "digits are drawn with the fonts of matplotlib, which are missing; install matplotlib"
        )
    sheets = [
        _glyph(folders[0] / f"{font}.ttf", str(digit), stroke)
        for font in _FONTS
        for stroke in _STROKES
        for digit in range(10)
    ]
    blurred: npt.NDArray[np.float32] = ndimage.gaussian_filter(np.stack(sheets), 1.5, axes=(1, 2))
    return blurred


def _glyph(path: Path, digit: str, stroke: int) -> npt.NDArray[np.float32]:
    """Render one digit in the middle of the canvas, `[64, 64]`."""
    layout = ImageFont.Layout.BASIC
    _, top, _, bottom = ImageFont.truetype(path, 100, layout_engine=layout).getbbox("8")
    font = ImageFont.truetype(path, 100 * _HEIGHT / (bottom - top), layout_engine=layout)
    left, top, right, bottom = font.getbbox(digit, stroke_width=stroke)
    corner = ((_CANVAS - left - right) / 2, (_CANVAS - top - bottom) / 2)
    sheet = Image.new("L", (_CANVAS, _CANVAS))
    ImageDraw.Draw(sheet).text(corner, digit, 255, font, stroke_width=stroke)
    return np.asarray(sheet, np.float32) / np.float32(255)
