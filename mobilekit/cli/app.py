"""The commands of `mobilekit`, and the way from arguments to an exit code."""

from typing import Annotated

import typer

from mobilekit import __version__
from mobilekit.cli.data import data
from mobilekit.cli.detect_forgery import detect_forgery
from mobilekit.cli.export import export
from mobilekit.cli.history import history
from mobilekit.cli.inspect import inspect
from mobilekit.cli.methods import methods
from mobilekit.cli.nets import nets
from mobilekit.cli.parse import parse
from mobilekit.cli.profile import profile
from mobilekit.cli.prune import prune
from mobilekit.cli.quantize import quantize
from mobilekit.cli.report import report
from mobilekit.cli.run import run
from mobilekit.cli.sensitivity import sensitivity
from mobilekit.cli.ship import ship
from mobilekit.cli.specialize import specialize
from mobilekit.cli.verify import verify

INTERRUPTED = 130
app = typer.Typer(
    name="mobilekit",
    invoke_without_command=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for function in (
    export,
    prune,
    quantize,
    sensitivity,
    specialize,
    verify,
    profile,
    report,
    history,
    inspect,
    nets,
    methods,
    run,
    ship,
    parse,
    detect_forgery,
):
    app.command()(function)
app.add_typer(data)


@app.callback()
def mobilekit(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Take a PyTorch vision model, make it small and fast, and put it on a phone.

    Start with: [bold]mobilekit export mobile-hourglass[/bold]
    """
    if version:
        typer.echo(f"mobilekit {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def command(arguments: list[str]) -> int:
    """Run the command line and return what its command returned, as an exit code."""
    outcome = app(arguments, standalone_mode=False, prog_name="mobilekit")
    if outcome == INTERRUPTED:  # typer has turned the exception into this code
        raise KeyboardInterrupt
    return outcome if isinstance(outcome, int) else 0
