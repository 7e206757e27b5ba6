"""Frames, written as an MP4 file."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mobilekit.core.errors import DataError
from mobilekit.core.files import explained
from mobilekit.data.video.container import library

Pixels = npt.NDArray[np.uint8]
_QUALITY = {"libx264": {"crf": "18"}, "mpeg4": {"qscale": "2"}}
"""Encoders in the order of preference, with settings at which a loss is hard to see."""


def write_video(path: Path, frames: Iterable[Pixels], rate: Fraction | int) -> None:
    """Write an MP4 file: H.264 where this build of PyAV has it, else MPEG-4; whole or not at all.

    A side with an odd number of pixels, which neither can hold, grows by one: the edge is repeated.

    Args:
        path: of the file.
        frames: uint8 `[H, W, 3]`, all of one size; they need not fit into memory.
        rate: frames per second.

    Raises:
        DataError: no frame, or frames of several sizes.
        OutputError: the folder cannot be written, or the disk is full.
        RuntimeUnavailableError: PyAV is not installed.
    """
    library()
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise DataError(f"{path}: no frame to write")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        try:
            _encode(Path(name), _checked(path, first, remaining), Fraction(rate))
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


def _checked(path: Path, first: Pixels, remaining: Iterator[Pixels]) -> Iterator[Pixels]:
    """Give the frames with even sides, and refuse one of another size than the first."""
    height, width = first.shape[:2]
    for pixels in chain([first], remaining):
        if pixels.shape != first.shape:
            raise DataError(
                f"{path}: expected frames of {width} × {height} pixels like the first, "
                f"found one of {pixels.shape[1]} × {pixels.shape[0]}"
            )
        yield np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


def _encode(place: Path, frames: Iterator[Pixels], rate: Fraction) -> None:
    av = library()
    codec = next(name for name in _QUALITY if name in av.codec.codecs_available)
    with av.open(str(place), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(codec, rate=rate, options=_QUALITY[codec])
        stream.pix_fmt = "yuv420p"
        for number, pixels in enumerate(frames):
            if number == 0:
                stream.height, stream.width = pixels.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
