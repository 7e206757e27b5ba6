"""The command line: parse, call one function, print; the only place that prints, picks and exits."""

import os
import sys
import traceback

from mobilekit.cli import interrupts
from mobilekit.core.errors import (
    TOO_LITTLE_MEMORY,
    ElsewhereError,
    MachineError,
    MobilekitError,
    is_allocation_failure,
)


def main() -> None:
    """Run `mobilekit` with the process's arguments, and exit with its code.

    The process ends without tearing libraries down: LiteRT writes to stderr when it is, and all
    that matters has been written and closed by then.
    """
    interrupts.listen()
    code = execute(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 0
    os._exit(code)


def execute(arguments: list[str]) -> int:
    """Run one command and return its exit code.

    0 good · 1 a verdict failed · 2 the user's input · 3 this machine cannot · 130 interrupted.
    """
    import typer

    from mobilekit.cli.app import command

    debug = "--debug" in arguments
    try:
        return command(arguments)
    except typer.TyperException as error:
        return _fail(_words(error), 2)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was changed", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ElsewhereError:
        return ElsewhereError.exit_code
    except Exception as error:  # noqa: BLE001  the last door: one line for people, all with --debug
        if debug:
            traceback.print_exc()
        return _fail(*_explained(error))


def _explained(error: Exception) -> tuple[str, int]:
    """Return what to say of an error in one line, and the exit code."""
    if is_allocation_failure(error):
        return TOO_LITTLE_MEMORY, MachineError.exit_code
    if isinstance(error, MobilekitError):
        return str(error), error.exit_code
    message = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
    return f"{message} (unexpected; run again with --debug and report it)", MachineError.exit_code


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    sys.stderr.write(f"mobilekit: {line}\n")
    return code


def _words(error: Exception) -> str:
    formatter = getattr(error, "format_message", None)
    return str(formatter()) if formatter else str(error)
