"""Messages between two processes: a short kind and bytes, each with its length before it."""

import struct
from typing import IO

_HEAD = struct.Struct("<IQ")


def write_frame(stream: IO[bytes], kind: bytes, content: bytes) -> None:
    """Send one message."""
    stream.write(_HEAD.pack(len(kind), len(content)) + kind + content)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """Receive one message; two empty ones where the other side has ended."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return b"", b""
    kind, content = _HEAD.unpack(head)
    return stream.read(kind), stream.read(content)
