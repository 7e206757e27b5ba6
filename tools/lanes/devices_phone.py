"""A phone in a folder: a shell whose `/data` is there, and files that come and go. It answers to `devices_adbd`.

Commands run in this machine's shell with the phone's own programs (`devices_shell.py`) before others on PATH.
"""

import json
import os
import re
import signal
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from devices_adbd import Stream

PROGRAMS = Path(__file__).with_name("devices_shell.py")
NAMES = ("am", "dumpsys", "getprop", "lite-rt-benchmark", "pm", "run-as", "settings")
OUT, ERROR, EXIT, CLOSE_INPUT = 1, 2, 3, 4
"""Kinds of shell_v2's packets: one byte, then a length of four, then data."""
DATA_BYTES = 64 * 1024
_DATA = re.compile(r"(?<![\w./-])/data/")
APP = "org.mobilekit.demo"
STATE: dict[str, Any] = {
    "installed": [APP, f"{APP}.test"],
    "locked": 0,
    "unplug_at": "",
    "properties": {
        "ro.product.manufacturer": "mobilekit",
        "ro.product.model": "emulated ARM64",
        "ro.product.device": "emulated",
        "ro.product.name": "emulated",
        "ro.build.version.release": "0",
        "ro.kernel.qemu": "1",
    },
}


class FolderPhone:
    """The phone.

    Args:
        folder: to keep it in.
        emulate: command that runs Python on its processor.
    """

    def __init__(self, folder: Path, emulate: list[str]) -> None:
        self.folder = folder
        self.unplug: Callable[[], None] = lambda: None
        programs = folder / "bin"
        programs.mkdir(parents=True)
        for name in NAMES:
            path = programs / name
            path.write_text(f'#!/bin/sh\nexec {sys.executable} {PROGRAMS} {name} "$@"\n')
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        (folder / "data" / "local" / "tmp").mkdir(parents=True)
        (folder / "data" / "data" / APP).mkdir(parents=True)
        (folder / "emulate.json").write_text(json.dumps(emulate))
        self.state()

    def state(self, **changes: Any) -> None:
        """Put the phone into its first state, with changes."""
        (self.folder / "state.json").write_text(json.dumps(STATE | changes))

    def left(self) -> list[Path]:
        """Return the files that somebody has left on it."""
        return [path for path in (self.folder / "data").rglob("*") if path.is_file()]

    def banner(self) -> str:
        """Return what adb lists."""
        known = json.loads((self.folder / "state.json").read_text())["properties"]
        names = ("ro.product.name", "ro.product.model", "ro.product.device")
        said = ";".join(f"{name}={known[name]}" for name in names)
        return f"device::{said};features=shell_v2,cmd"

    def serve(self, service: str, stream: Stream) -> None:
        """Serve one service."""
        kind, _, command = service.partition(":")
        if kind.startswith("shell,v2"):
            self._shell(command, stream)
        elif kind == "exec":
            done = subprocess.run(
                self._words(command), env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                check=False,
            )  # fmt: skip
            stream.write(done.stdout)
        elif kind == "sync":
            Sync(self._local, stream, self._passes).serve()

    def _passes(self, place: str, later_s: float = 0.0) -> None:
        """Be unplugged, where that is the place."""
        marked = json.loads((self.folder / "state.json").read_text())["unplug_at"]
        if marked and marked in place:
            threading.Timer(later_s, self.unplug).start() if later_s else self.unplug()

    def _words(self, command: str) -> list[str]:
        self._passes(command, 0.5)
        return ["/bin/sh", "-c", _DATA.sub(f"{self.folder}/data/", command)]

    def _local(self, place: str) -> Path:
        return self.folder / place.lstrip("/")

    def _environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        return {"PATH": path, "PHONE": str(self.folder), "HOME": str(self.folder)}

    def _shell(self, command: str, stream: Stream) -> None:
        process = subprocess.Popen(
            self._words(command),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101  types for the checker
        assert process.stderr is not None  # noqa: S101
        threading.Thread(target=_end_with, args=(stream, process), daemon=True).start()
        pumps = [
            threading.Thread(target=_pump, args=(pipe, kind, stream), daemon=True)
            for pipe, kind in ((process.stdout, OUT), (process.stderr, ERROR))
        ]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        stream.write(struct.pack("<BIB", EXIT, 1, process.wait() % 256))


def _pump(pipe: IO[bytes], kind: int, stream: Stream) -> None:
    with pipe:
        while part := os.read(pipe.fileno(), DATA_BYTES):
            try:
                stream.write(struct.pack("<BI", kind, len(part)) + part)
            except (ConnectionError, OSError):
                return


def _end_with(stream: Stream, process: "subprocess.Popen[bytes]") -> None:
    """End a command when the computer hangs up."""
    stream.closed.wait()
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


class Sync:
    """`push` and `pull`: requests of four letters, a number, and what belongs to them.

    Args:
        local: where a path of the phone lies here.
        stream: to the computer.
        passes: is told where a request has come to.
    """

    def __init__(
        self, local: Callable[[str], Path], stream: Stream, passes: Callable[[str], None]
    ) -> None:
        self._local, self._stream, self._passes = local, stream, passes

    def serve(self) -> None:
        """Serve until QUIT."""
        while True:
            word, length = struct.unpack("<4sI", self._stream.read(8))
            if word == b"QUIT":
                return
            name = self._stream.read(length).decode()
            if word in {b"STAT", b"LSTA"}:
                self._stat(self._local(name), word)
            elif word == b"SEND":
                self._receive(self._local(name.rpartition(",")[0]))
            elif word == b"RECV":
                self._send(self._local(name))
            else:
                self._fail(f"unknown request {word!r}")

    def _stat(self, path: Path, word: bytes) -> None:
        found = path.stat() if path.exists() else None
        values = (found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0)
        self._stream.write(struct.pack("<4s3I", word, *values))

    def _receive(self, path: Path) -> None:
        parts = []
        while True:
            word, length = struct.unpack("<4sI", self._stream.read(8))
            if word == b"DONE":
                break
            parts.append(self._stream.read(length))
            self._passes("SEND")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(parts))
        except OSError as problem:
            self._fail(str(problem.strerror))
        else:
            self._stream.write(struct.pack("<4sI", b"OKAY", 0))

    def _send(self, path: Path) -> None:
        if not path.is_file():
            self._fail("No such file or directory")
            return
        with path.open("rb") as file:
            while part := file.read(DATA_BYTES):
                self._stream.write(struct.pack("<4sI", b"DATA", len(part)) + part)
        self._stream.write(struct.pack("<4sI", b"DONE", 0))

    def _fail(self, words: str) -> None:
        said = words.encode()
        self._stream.write(struct.pack("<4sI", b"FAIL", len(said)) + said)
