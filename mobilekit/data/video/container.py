"""Whether a video file can be opened, and what it says of itself.

A file is opened by its name and nothing else: no address, no playlist, no other protocol.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.core.errors import DataError, RuntimeUnavailableError
from mobilekit.data.video.boxes import frames_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

SUFFIXES = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi"}
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg",
}
_USUAL_RATE = Fraction(25)


@dataclass(frozen=True)
class VideoFacts:
    """What a video holds."""

    frames: int
    """At least 1."""
    width: int
    height: int
    """As stored, in pixels: a video that is turned when shown has them the other way round."""
    rate: Fraction
    """Frames per second."""


def look(path: Path) -> VideoFacts:
    """Return what a video holds; the frames are counted, not decoded.

    Raises:
        DataError: it is missing, truncated, no video, or holds no frame.
        RuntimeUnavailableError: PyAV is not installed.
    """
    with refused(path), opened(path) as (container, stream):
        frames = sum(map(is_shown, container.demux(stream)))
        if not frames:
            raise ValueError("holds no frame")
        rate = stream.average_rate or stream.base_rate or _USUAL_RATE
        return VideoFacts(frames, stream.width, stream.height, Fraction(rate))


def promised_frames(path: Path) -> int:
    """Return how many frames a video says it holds, at least 1; nothing is decoded, and MP4 is not opened.

    Raises:
        ValueError: what is wrong with it.
        RuntimeUnavailableError: PyAV is not installed.
    """
    library()
    _check_there(path)
    frames = frames_of(path)
    if frames is None:
        with opened(path) as (container, stream):
            frames = stream.frames or sum(map(is_shown, container.demux(stream)))
    if not frames:
        raise ValueError("holds no frame")
    return frames


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """Say of which file a `ValueError` in the block speaks.

    Raises:
        DataError: for the `ValueError`.
    """
    try:
        yield
    except ValueError as problem:
        raise DataError(f"{path}: {problem}; get it again, or give another video") from problem


@contextmanager
def opened(path: Path) -> "Iterator[tuple[InputContainer, VideoStream]]":
    """Open a video.

    Raises:
        ValueError: what is wrong with it.
        RuntimeUnavailableError: PyAV is not installed.
    """
    av = library()
    _check_there(path)
    frames_of(path)
    try:
        with av.open(f"file:{path.resolve()}", options=_OPTIONS) as container:
            if not container.streams.video:
                raise ValueError("holds no pictures")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise ValueError("its pictures are coded in a way that PyAV does not know")
            yield container, stream
    except av.error.EOFError as problem:
        raise ValueError("holds no frame") from problem
    except av.error.FFmpegError as problem:
        raise ValueError(f"damaged, or no video: {problem.strerror}") from problem


def library() -> Any:
    """Return PyAV.

    Raises:
        RuntimeUnavailableError: it is not installed.
    """
    try:
        import av
    except ImportError as problem:
        raise RuntimeUnavailableError(
            "video: PyAV is not installed; install the extra: pip install 'mobilekit[video]'"
        ) from problem
    return av


def is_shown(packet: Any) -> bool:
    """Say whether a packet of a container holds a frame that is shown; an edit can cut frames away."""
    return packet.size > 0 and not packet.is_discard


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise ValueError("is no file" if path.exists() else "missing")
