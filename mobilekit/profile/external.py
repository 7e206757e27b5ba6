"""A tool of somebody else's: started, watched, and ended, whatever happens."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mobilekit.core.errors import MachineError, RuntimeUnavailableError

GRACE_S = 2.0
"""How long a tool that is interrupted may take to tidy up."""


class Done(NamedTuple):
    """How a tool ended."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """What it wrote to stdout."""
        return self.stdout.decode(errors="replace")

    @property
    def words(self) -> str:
        """All it said, in one line."""
        return " ".join(f"{self.stderr} {self.text}".split())[:300]


def call(
    arguments: Sequence[str],
    *,
    timeout_s: float,
    what: str,
    extra: Mapping[str, str] | None = None,
) -> Done:
    """Run a tool to its end; an interrupt or the end of its time ends it and what it started.

    Args:
        arguments: its name first, looked up on PATH.
        timeout_s: seconds it may take.
        what: it does, for errors, such as "pushing model.tflite".
        extra: variables for its environment.

    Raises:
        RuntimeUnavailableError: no such tool.
        MachineError: it took too long.
    """
    path = shutil.which(arguments[0])
    if path is None:
        raise RuntimeUnavailableError(f"{arguments[0]}: is not on PATH; {_SOURCES[arguments[0]]}")
    process = subprocess.Popen(
        [path, *arguments[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(extra or {})},
        start_new_session=True,  # it is ended by us, with all that it started, not by the terminal
    )
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        raise MachineError(
            f"{arguments[0]}: {what} took longer than {timeout_s:g} s and was ended; is the device awake"
            " and well connected?"
        ) from None
    except BaseException:
        _end(process)
        raise
    return Done(process.returncode, out, err.decode(errors="replace"))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a tool to end, then make it."""
    for number, wait_s in ((signal.SIGINT, GRACE_S), (signal.SIGKILL, GRACE_S)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        try:
            process.communicate(timeout=wait_s)
        except subprocess.TimeoutExpired:
            continue
        break
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


_SOURCES = {
    "adb": "install Android's platform tools (https://developer.android.com/tools/releases/platform-tools)",
    "xcrun": "phones with iOS are reached from a Mac with Xcode 16 or later",
    "xcodebuild": "phones with iOS are reached from a Mac with Xcode 16 or later",
}
