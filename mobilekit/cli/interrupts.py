"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever the program happens to be, and drops it where that is a finalizer
or a callback of the import system: the command would then run on. What was asked for is remembered, and
raised again at the next step.
"""

import signal
from types import FrameType

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


def _note(number: int, frame: FrameType | None) -> None:
    del frame
    _asked.append(number)
    raise KeyboardInterrupt
