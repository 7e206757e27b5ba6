"""What a person or a program sees: the result on stdout, everything else on stderr."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from mobilekit.cli import interrupts

if TYPE_CHECKING:
    from rich.text import Text

Progress = Callable[[str], None]


def print_json(value: object) -> None:
    """Print a value as JSON on stdout; numbers are finite by construction."""
    import json

    import msgspec

    text = json.dumps(msgspec.to_builtins(value), indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")


def print_table(
    rows: Sequence[dict[str, str]], columns: Sequence[str], title: str = "", note: str = ""
) -> None:
    """Print rows as a table on stdout, plain when stdout is no terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_styled(row.get(column, "")) for column in columns))
    console = Console(width=None if sys.stdout.isatty() else 160)
    if title:
        console.print(Text(title, style="bold"))
    console.print(table)
    if note:
        console.print(Text(note))


def print_line(text: str) -> None:
    """Print one line of the result on stdout."""
    sys.stdout.write(text + "\n")


def warn(text: str) -> None:
    """Print one line on stderr that a person should not miss."""
    sys.stderr.write(f"mobilekit: {text}\n")


def set_up_logging(*, debug: bool) -> None:
    """Send the library's log to stderr: warnings, or everything with `--debug`.

    What other packages warn of (Python's `warnings`) is for developers, and shown with `--debug` only.
    """
    import logging
    import warnings

    if not debug:
        warnings.simplefilter("ignore")

    logger = logging.getLogger("mobilekit")
    logger.handlers[:] = [logging.StreamHandler(sys.stderr)]
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    logger.propagate = False


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Give a callback that shows what is going on: a spinner on a terminal, lines elsewhere."""
    started = time.monotonic()
    if quiet:
        yield lambda _text: interrupts.check()
    elif sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("starting …") as status:

            def spin(text: str) -> None:
                interrupts.check()
                seconds = time.monotonic() - started
                status.update(f"[{seconds:4.0f} s] {text} …".replace("[", "\\[", 1))

            yield spin
    else:

        def line(text: str) -> None:
            interrupts.check()
            sys.stderr.write(f"[{time.monotonic() - started:5.1f} s] {text}\n")
            sys.stderr.flush()

        yield line


def _styled(text: str) -> "Text":
    from rich.text import Text

    styles = {"pass": "green", "fail": "bold red", "UNTRAINED": "yellow"}
    style = next((style for word, style in styles.items() if text.startswith(word)), "")
    return Text(text, style=style)
