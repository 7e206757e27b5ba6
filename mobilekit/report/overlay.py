"""What a network found, in colours over the photograph."""

import colorsys
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Palette = npt.NDArray[np.uint8]
"""`[classes, 3]`; class 0 is the background, which stays as it is in the photograph."""

_GOLDEN = 0.618034


def palette(colours: tuple[str, ...], count: int) -> Palette:
    """Return a colour per class.

    Args:
        colours: `#rrggbb` per class; taken where there is one for each.
        count: of classes.

    >>> palette(("#000000", "#ff8000"), 2).tolist()
    [[0, 0, 0], [255, 128, 0]]
    """
    if len(colours) == count:
        return np.array([list(bytes.fromhex(text.lstrip("#"))) for text in colours], np.uint8)
    hues = [colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.75, 0.95) for index in range(1, count)]
    found: Palette = np.rint(255 * np.array([(0, 0, 0), *hues])).astype(np.uint8)
    return found


def classes_of(scores: Floats, height: int, width: int) -> Classes:
    """Return the class with the highest score at each pixel, of another size than the scores have.

    The scores are resized (bilinear), not the classes, so that edges stay smooth.

    Args:
        scores: `[C, h, w]`, at most 256 classes.
        height: of the result.
        width: of the result.

    Returns:
        uint8 `[height, width]`; of equal scores the first.
    """
    best = np.full((height, width), -np.inf, np.float32)
    found = np.zeros((height, width), np.uint8)
    for number, plane in enumerate(np.asarray(scores, np.float32)):
        layer = Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)
        score = np.asarray(layer)
        higher = score > best
        found[higher] = number
        best = np.maximum(best, score)
    return found


def coloured(pixels: Pixels, classes: Classes, colours: Palette, opacity: float = 0.55) -> Pixels:
    """Lay the classes' colours over a photograph; the background stays as it is.

    Args:
        pixels: `[H, W, 3]`.
        classes: `[H, W]`.
        colours: of the classes.
        opacity: of the colours, 0–1.

    Returns:
        `[H, W, 3]`.
    """
    mixed = pixels + opacity * (colours[classes].astype(np.float32) - pixels)
    shown = (classes > 0)[:, :, None]
    return np.where(shown, np.rint(mixed), pixels).astype(np.uint8)


def heated(pixels: Pixels, heat: Floats, opacity: float = 0.5) -> Pixels:
    """Lay a map over a photograph: magma, dark where it is 0 and bright where it is 1.

    Args:
        pixels: `[H, W, 3]`.
        heat: `[h, w]` in 0–1, of any size; resized (bicubic).
        opacity: of the map, 0–1.

    Returns:
        `[H, W, 3]`.
    """
    import matplotlib as mpl

    height, width = pixels.shape[:2]
    layer = Image.fromarray(np.asarray(heat, np.float32))
    large = np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
    colours = mpl.colormaps["magma"](large)[:, :, :3] * 255
    mixed: Pixels = np.rint(pixels + opacity * (colours - pixels)).astype(np.uint8)
    return mixed


def png(pixels: Pixels) -> bytes:
    """Return a picture `[H, W, 3]` as the content of a PNG file; the same pixels give the same bytes."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
