"""Frames of a video, decoded."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mobilekit.core.errors import DataError
from mobilekit.data.video.container import is_shown, look, opened, refused

if TYPE_CHECKING:
    from av import VideoFrame

Pixels = npt.NDArray[np.uint8]


def spread(frames: int, count: int) -> list[int]:
    """Return the numbers of `count` evenly spaced frames: the middles of equal stretches.

    A video with fewer frames gives each of them once.

    >>> spread(8, 2), spread(3, 16)
    ([2, 6], [0, 1, 2])
    """
    if frames <= count:
        return list(range(frames))
    return [(2 * i + 1) * frames // (2 * count) for i in range(count)]


def read_frames(path: Path, count: int | None = None, every: int = 1) -> list[Pixels]:
    """Return frames of a video, uint8 `[H, W, 3]` each, upright.

    Args:
        path: of the file.
        count: so many, evenly spaced (all of a video that has fewer); None: by `every`.
        every: the first frame and each so many after it, at least 1.

    Raises:
        DataError: the file is missing, truncated, no video, or holds no frame.
        RuntimeUnavailableError: PyAV is not installed.
    """
    if count is None:
        return list(each_frame(path, every))
    if count < 1:
        raise DataError(f"{path}: count must be at least 1 frame, not {count}")
    wanted = spread(look(path).frames, count)
    chosen = set(wanted)
    with refused(path):
        frames = islice(enumerate(_decoded(path)), wanted[-1] + 1)
        return [_pixels(frame) for number, frame in frames if number in chosen]


def each_frame(path: Path, every: int = 1) -> Iterator[Pixels]:
    """Give the frames of a video one by one, uint8 `[H, W, 3]`, upright.

    Args:
        path: of the file.
        every: the first frame and each so many after it, at least 1.

    Raises:
        DataError: the file is missing, truncated, no video, or holds no frame.
        RuntimeUnavailableError: PyAV is not installed.
    """
    if every < 1:
        raise DataError(f"{path}: every must be at least 1 frame, not {every}")
    with refused(path):
        yield from map(_pixels, islice(_decoded(path), None, None, every))


def _decoded(path: Path) -> "Iterator[VideoFrame]":
    """Give the frames that are shown.

    Raises:
        ValueError: what is wrong with the file.
    """
    found = expected = 0
    with opened(path) as (container, stream):
        for packet in container.demux(stream):
            expected += is_shown(packet)
            for frame in packet.decode():
                found += 1
                yield frame
    if not expected:
        raise ValueError("holds no frame")
    if found < expected:
        raise ValueError(f"damaged: {found} of {expected} frames can be decoded")


def _pixels(frame: "VideoFrame") -> Pixels:
    """Return a frame upright: by `rotation` degrees, the file says, it is turned against the clock."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
