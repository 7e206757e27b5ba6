"""A stand-in of adbd, the end of adb that runs on phones: what it is asked over TCP, it asks a phone of ours.

It speaks enough of adb's protocol for `adb connect`, `shell` with exit codes (shell_v2), `exec-out`, `push` and `pull`.
Messages have 24 bytes and their data: command, two arguments, length, sum of the data's bytes, and the command's
complement; each WRTE is answered by an OKAY before the next. Source: Android's `system/core/adb/protocol.txt`,
`SYNC.TXT` and `shell_protocol.h`.
"""

import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Callable
from typing import Protocol

VERSION, MOST_BYTES = 0x01000001, 256 * 1024
COMPLEMENT = 0xFFFFFFFF


class Phone(Protocol):
    """What an adbd does its work with."""

    def banner(self) -> str:
        """Return what it says of itself, as `device::ro.product.model=X;…`."""

    def serve(self, service: str, stream: "Stream") -> None:
        """Serve `shell,v2,raw:COMMAND`, `exec:COMMAND` or `sync:` until it is done."""


class Stream:
    """One service's two-way line to the computer."""

    def __init__(self, send: Callable[[bytes, bytes], None]) -> None:
        self._send = send
        self._inbox: queue.Queue[bytes] = queue.Queue()
        self._acknowledged = threading.Semaphore(0)
        self._rest = b""
        self.closed = threading.Event()

    def write(self, data: bytes) -> None:
        """Send bytes, and wait until they are taken.

        Raises:
            ConnectionError: the computer has hung up.
        """
        for start in range(0, len(data), MOST_BYTES):
            self._send(b"WRTE", data[start : start + MOST_BYTES])
            self._acknowledged.acquire()
            if self.closed.is_set():
                raise ConnectionError

    def read(self, count: int) -> bytes:
        """Receive exactly so many bytes.

        Raises:
            ConnectionError: the computer has hung up.
        """
        while len(self._rest) < count:
            part = self._inbox.get()
            if not part:
                raise ConnectionError
            self._rest += part
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def take(self, data: bytes) -> None:
        """Receive what the computer has sent."""
        self._inbox.put(data)

    def acknowledge(self) -> None:
        """Let the next message go."""
        self._acknowledged.release()

    def close(self) -> None:
        """Wake whoever waits: there is nobody left to talk to."""
        self.closed.set()
        self._inbox.put(b"")
        self._acknowledged.release()


class Adbd:
    """Listens on a port of this computer until it is unplugged."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.serial = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def unplug(self) -> None:
        """Cut all lines, and answer no more."""
        for one in (self._listening, *self._lines):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # unplugged
            while True:
                line, _ = self._listening.accept()
                self._lines.append(line)
                threading.Thread(target=Line(line, self._phone).run, daemon=True).start()


class Line:
    """One connection: it numbers the streams, and hands each message to its own."""

    def __init__(self, line: socket.socket, phone: Phone) -> None:
        self._line, self._phone = line, phone
        self._writing = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._opened = 0

    def run(self) -> None:
        """Answer until the line is cut."""
        try:
            while True:
                self._answer(*self._receive())
        except (ConnectionError, OSError):
            pass
        finally:
            for stream in list(self._streams.values()):
                stream.close()

    def _answer(self, word: bytes, theirs: int, ours: int, data: bytes) -> None:
        stream = self._streams.get(ours)
        if word == b"CNXN":
            self._send(b"CNXN", VERSION, MOST_BYTES, self._phone.banner().encode())
        elif word == b"OPEN":
            self._open(theirs, data.rstrip(b"\0").decode())
        elif stream is None:
            return  # closed on this side, which the computer did not know yet
        elif word == b"WRTE":
            stream.take(data)
            self._send(b"OKAY", ours, theirs)
        elif word == b"OKAY":
            stream.acknowledge()
        elif word == b"CLSE":
            stream.close()

    def _open(self, theirs: int, service: str) -> None:
        self._opened += 1
        ours = self._opened
        stream = Stream(lambda word, data: self._send(word, ours, theirs, data))
        self._streams[ours] = stream
        self._send(b"OKAY", ours, theirs)

        def serve() -> None:
            with contextlib.suppress(ConnectionError, OSError):
                self._phone.serve(service, stream)
            with contextlib.suppress(OSError):
                self._send(b"CLSE", ours, theirs)
            self._streams.pop(ours, None)

        threading.Thread(target=serve, daemon=True).start()

    def _receive(self) -> tuple[bytes, int, int, bytes]:
        word, one, two, length, total, complement = struct.unpack("<4s5I", self._exactly(24))
        data = self._exactly(length)
        if int.from_bytes(word, "little") ^ complement != COMPLEMENT:
            raise ConnectionError
        if total and total != sum(data):
            raise ConnectionError
        return word, one, two, data

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self._line.recv(count - len(found))
            if not part:
                raise ConnectionError
            found += part
        return found

    def _send(self, word: bytes, one: int, two: int, data: bytes = b"") -> None:
        number = int.from_bytes(word, "little")
        head = struct.pack("<4s5I", word, one, two, len(data), sum(data), number ^ COMPLEMENT)
        with self._writing:
            self._line.sendall(head + data)
