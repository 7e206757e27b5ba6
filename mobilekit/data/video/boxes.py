"""What the boxes of a file of the MP4 family say (ISO/IEC 14496-12), read in a tenth of a millisecond.

A box begins with its size and its type, 4 bytes each; size 1 stands for one of 8 bytes that follow, size 0 for
all that is left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_TO_KIND = (b"mdia", b"hdlr")
_TO_COUNT = (b"mdia", b"minf", b"stbl", b"stsz")
"""The ways within a track to what it holds, and to how many samples that has."""


@dataclass(frozen=True)
class _Box:
    kind: bytes
    start: int
    """Of what it holds."""
    end: int


def frames_of(path: Path) -> int | None:
    """Return the number of frames of the first picture track; None where the boxes do not say it.

    They do not for other families of files, and for those that come in fragments.

    Raises:
        ValueError: the file ends within a box, or holds no pictures.
    """
    length = path.stat().st_size
    if not length:
        raise ValueError("empty")
    with path.open("rb") as stream:
        if stream.read(8)[4:] != b"ftyp":
            return None
        outer = {box.kind: box for box in _boxes(stream, 0, length)}
        end = max(box.end for box in outer.values())
        if end > length or end + 8 > length > end:
            raise ValueError(f"truncated: {length:,} bytes of at least {max(end, length + 1):,}")
        if b"moov" not in outer:
            raise ValueError("truncated, or no video: it has no index")
        inner = list(_boxes(stream, outer[b"moov"].start, outer[b"moov"].end))
        if any(box.kind == b"mvex" for box in inner):
            return None
        counts = [_frames(stream, box) for box in inner if box.kind == b"trak"]
    found = [count for count in counts if count is not None]
    if not found:
        raise ValueError("holds no pictures")
    return found[0]


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    """Give the boxes that lie between two places."""
    while start + 8 <= end:
        stream.seek(start)
        head = stream.read(16)
        size, body = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, body = int.from_bytes(head[8:], "big"), 16
        elif size == 0:
            size = end - start
        if size < body:
            raise ValueError("damaged: a box without a size")
        yield _Box(head[4:8], start + body, start + size)
        start += size


def _frames(stream: BinaryIO, track: _Box) -> int | None:
    """Return how many samples a track of pictures has; None for one of sound or text."""
    kind, count = _inside(stream, track, _TO_KIND), _inside(stream, track, _TO_COUNT)
    if kind is None or count is None:
        return None
    stream.seek(kind.start + 8)
    if stream.read(4) != b"vide":
        return None
    stream.seek(count.start + 8)
    return int.from_bytes(stream.read(4), "big")


def _inside(stream: BinaryIO, box: _Box, kinds: tuple[bytes, ...]) -> _Box | None:
    """Return the box that one reaches by going in by kinds."""
    for kind in kinds:
        found = [inner for inner in _boxes(stream, box.start, box.end) if inner.kind == kind]
        if not found:
            return None
        box = found[0]
    return box
