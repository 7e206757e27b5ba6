"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever the program happens to be, and drops it where that is a finalizer
or a callback of the import system: the command would then run on. What was asked for is remembered, and
raised again at the next step.
"""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

from mobilekit.core.errors import StoppedError

if TYPE_CHECKING:
    from mobilekit.pipeline import ExportRequest

_asked: list[int] = []


def listen() -> None:
    """Remember interrupts from now on; for the main thread of a process of our own."""
    signal.signal(signal.SIGINT, _note)


def check() -> None:
    """Stop here if an interrupt came and was lost.

    Raises:
        KeyboardInterrupt: it came.
    """
    if _asked:
        raise KeyboardInterrupt


@contextlib.contextmanager
def told(request: "ExportRequest") -> Iterator[None]:
    """Let an interrupt say what became of a training.

    Raises:
        StoppedError: one came, and there is more to say than that nothing was changed.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        from mobilekit.pipeline.bench import stopped

        words = stopped(request)
        if words:
            raise StoppedError(words) from stop
        raise


def _note(number: int, frame: FrameType | None) -> None:
    del frame
    _asked.append(number)
    raise KeyboardInterrupt
