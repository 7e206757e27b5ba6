"""Whether an image file can be read, and its pixels."""

import contextlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from mobilekit.core.errors import DataError

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
"""Told from the content. Not all that Pillow knows: it runs a program to read PostScript."""
_END = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_TAIL_BYTES = 64
_PROBLEMS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def fault(path: Path, size: tuple[int, int] | None = None) -> str | None:
    """Return the name of an image file and what is wrong with it; None when it is sound.

    The header is read, and the end; the pixels only where the end is not that of the format, which
    takes a tenth of a millisecond instead of ten for a photograph.

    Args:
        path: of the file.
        size: width and height it should have, if known.
    """
    try:
        with _opened(path) as image:
            if size is not None and image.size != size:
                found = f"{image.width} × {image.height}"
                return f"{path.name} ({found} pixels, not {size[0]} × {size[1]})"
            end = _END.get(image.format or "")
            if end is None or end not in _tail(path):
                image.load()
    except _PROBLEMS as problem:
        return f"{path.name} ({_brief(problem)})"
    return None


def read(path: Path, *, upright: bool, least: int | None = None) -> Image.Image:
    """Read an image as RGB with 8 bits per channel.

    Args:
        path: of the file.
        upright: turn it as its EXIF orientation says.
        least: a JPEG may be decoded smaller, with sides of at least twice this many pixels.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with _opened(path) as image:
            if least is not None:
                image.draft("RGB", (2 * least, 2 * least))
            return _as_rgb(ImageOps.exif_transpose(image) if upright else image)
    except _PROBLEMS as problem:
        raise DataError(
            f"{path}: cannot be read ({_brief(problem)}); get it again, or remove it"
        ) from problem


def levels(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image that stands for numbers, uint8 `[H, W]`: gray levels, indices of colours, or red.

    Args:
        path: of the file.

    Raises:
        ValueError: its name, and what is wrong with it.
    """
    try:
        with _opened(path) as image:
            found = np.array(image.convert("L") if image.mode == "1" else image)
    except _PROBLEMS as problem:
        raise ValueError(f"{path.name}: {_brief(problem)}") from problem
    if found.dtype != np.uint8:
        raise ValueError(f"{path.name}: not 8 bits per pixel")
    return found if found.ndim == 2 else found[:, :, 0].copy()


def as_tensor(image: Image.Image) -> Tensor:
    """Return the pixels of an RGB image in 0–1, float32 `[3, H, W]`."""
    planes = np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)
    return torch.from_numpy(np.ascontiguousarray(planes))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, without Pillow's remarks on metadata that nothing here uses."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(EXIF|Truncated File Read|Metadata)", UserWarning)
        with Image.open(path, formats=_FORMATS) as image:
            yield image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow would clip to white
        levels = np.asarray(image, np.float64) / 257
        image = Image.fromarray(np.rint(levels.clip(0, 255)).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _tail(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - _TAIL_BYTES))
        return stream.read()


def _brief(problem: BaseException) -> str:
    """Return the reason, without the path that Pillow puts into it."""
    if isinstance(problem, FileNotFoundError):
        return "missing"
    if isinstance(problem, UnidentifiedImageError):
        return "no image"
    if isinstance(problem, IsADirectoryError):
        return "a folder"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return " ".join(str(problem).split())[:80] or type(problem).__name__
