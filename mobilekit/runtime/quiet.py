"""What C++ libraries write to the process's own descriptors, held back."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator


def without_stderr() -> contextlib.AbstractContextManager[None]:
    """Point descriptor 2 to nowhere inside the block."""
    return _nowhere(2)


def without_stdout() -> contextlib.AbstractContextManager[None]:
    """Point descriptor 1 to nowhere inside the block."""
    return _nowhere(1)


@contextlib.contextmanager
def _nowhere(number: int) -> Iterator[None]:
    """Point a descriptor to nowhere; what C libraries hold back of earlier lines is theirs."""
    _flush()
    kept = os.dup(number)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, number)
        yield
    finally:
        _flush()
        os.dup2(kept, number)
        os.close(kept)
        os.close(nowhere)


def _flush() -> None:
    """Write out what Python and the C library have buffered: C keeps lines for a stdout that is no terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(
        OSError, AttributeError, TypeError
    ):  # no C library to be had by that name
        ctypes.CDLL(None).fflush(None)


@contextlib.contextmanager
def absent(names: tuple[str, ...]) -> Iterator[None]:
    """Make packages that are not imported yet look as if not installed, inside the block."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
