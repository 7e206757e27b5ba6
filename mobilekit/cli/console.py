"""What a person or a program sees: the result on stdout, everything else on stderr."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from mobilekit.cli import interrupts
from mobilekit.core.progress import Advance

if TYPE_CHECKING:
    from rich.text import Text

Progress = Callable[[str], None]
PAUSE_S = 30.0
"""Seconds, at least, between two lines that tell of steps."""


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
    """Give a callback that shows what is going on: a bar on a terminal, lines elsewhere.

    Of what advances in steps (`Advance`), the end stays as a line, and lines tell of steps but rarely.
    """
    if quiet:
        yield lambda _text: interrupts.check()
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield bar
    else:
        yield _lines()


def _lines() -> Progress:
    """Return a callback that writes lines."""
    started = said = time.monotonic()

    def line(text: str) -> None:
        nonlocal said
        interrupts.check()
        now = time.monotonic()
        if isinstance(text, Advance) and not text.ended and now - said < PAUSE_S:
            return
        said = now
        sys.stderr.write(f"[{now - started:5.1f} s] {text}\n")
        sys.stderr.flush()

    return line


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    """Give a callback that moves a bar; it swings where it is not known how much there is to do."""
    from rich import progress as parts
    from rich.console import Console

    started = time.monotonic()
    shown = parts.Progress(
        parts.SpinnerColumn(),
        parts.TextColumn("{task.description}", markup=False),
        parts.BarColumn(bar_width=24),
        parts.TextColumn("{task.fields[steps]}", markup=False),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )
    swinging = shown.add_task("starting …", total=None, steps="")
    stepping = shown.add_task("", visible=False, steps="")

    def bar(text: str) -> None:
        interrupts.check()
        words = f"[{time.monotonic() - started:4.0f} s] {text}"
        amid = isinstance(text, Advance) and not text.ended
        if isinstance(text, Advance):
            steps = f"{text.done}/{text.total}"
            shown.update(
                stepping, description=words, completed=text.done, total=text.total, steps=steps
            )
            if text.ended:
                shown.console.print(words, markup=False, highlight=False)
        shown.update(stepping, visible=amid)
        shown.update(swinging, visible=not amid, description=f"{words} …")

    with shown:
        yield bar


def _styled(text: str) -> "Text":
    from rich.text import Text

    styles = {"pass": "green", "fail": "bold red", "UNTRAINED": "yellow"}
    style = next((style for word, style in styles.items() if text.startswith(word)), "")
    return Text(text, style=style)
