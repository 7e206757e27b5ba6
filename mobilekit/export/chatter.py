"""What converters say: hidden from people, but what they skipped or changed is kept."""

import contextlib
import logging
import re
import warnings
from collections.abc import Iterable, Iterator

_TELLING = re.compile(
    r"skip|unable|not supported|unsupported|ignor|overflow|saturat|fall(s|ing)? back|fallback|"
    r"cannot be|could not",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"has not been tested|not recommended|FutureWarning|deprecat|partition has|"
    r"libcoremlpython|Failed to load|scikit-learn|GuardOnDataDependent|Torch version",
    re.IGNORECASE,
)
MOST_LINES = 8


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


@contextlib.contextmanager
def captured(*loggers: str) -> Iterator[list[str]]:
    """Collect the warnings and the log lines of the named loggers, and let none through."""
    lines: list[str] = []
    handler = _Collector(lines)
    found = [logging.getLogger(name) for name in (*loggers, "")]
    before = [(logger, logger.level, list(logger.handlers), logger.propagate) for logger in found]
    for logger in found:
        logger.handlers[:] = [handler]
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield lines
        lines += [str(warning.message) for warning in warned]
    finally:
        for logger, level, handlers, propagate in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate = propagate


def telling(lines: Iterable[str]) -> tuple[str, ...]:
    """Keep the lines that say something was skipped, changed or refused; once each, one line each."""
    kept = dict.fromkeys(
        " ".join(line.split())[:240]
        for line in lines
        if _TELLING.search(line) and not _HARMLESS.search(line)
    )
    found = tuple(kept)
    if len(found) > MOST_LINES:
        return (*found[:MOST_LINES], f"… and {len(found) - MOST_LINES} more lines of this kind")
    return found
