"""`mobilekit report`: measurements of devices and of this machine, in a table and on a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli import console, options

if TYPE_CHECKING:
    from mobilekit.pipeline.reporting import Reporting


def report(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Device reports (JSON), artifacts, or folders that hold them.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page.")] = Path(
        "build/report.html"
    ),
    against: Annotated[
        list[Path],
        typer.Option(
            metavar="BASE", help="Reports, artifacts or folders to compare with; repeat for more."
        ),
    ] = [],  # noqa: B006  typer copies it
    least: Annotated[
        float,
        typer.Option(
            min=0.0, help="With --against: change of the medians (0–1) from which on it counts."
        ),
    ] = 0.05,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Bring measurements together: one table each for devices, simulators, computers and emulators.

    The page has the distributions of the runs, accuracy over latency and size, the costliest operators and
    the heat over time. With --against, files that became slower are found by a Mann–Whitney U test. The exit
    code is 1 if there are any, or if a device says that its outputs are not those of the network.
    """
    console.set_up_logging(debug=debug)
    from mobilekit import pipeline

    request = pipeline.ReportRequest(
        paths=tuple(paths), out=out, against=tuple(against), least=least
    )
    with console.progress(quiet=quiet or json) as progress:
        found = pipeline.report(request, progress)
    if json:
        console.print_json(found)
    else:
        _print(found, least)
    return 1 if found.failed else 0


def _print(found: "Reporting", least: float) -> None:
    from mobilekit.report import device_page, device_table
    from mobilekit.report.device_measurements import by_device, by_kind

    for kind, group in by_kind(found.measurements).items():
        console.print_line(f"{device_table.TITLES[kind]}:")
        for device, own in by_device(group).items():
            rows = device_table.rows(own)
            console.print_table(rows, device_table.narrow(kind, rows), device)
    for line in device_page.troubles(found.measurements):
        console.warn(line)
    if found.comparison is not None:
        note = device_table.change_note(least)
        for kind in dict.fromkeys(one.kind for one in found.comparison.changes):
            changed = [one for one in found.comparison.changes if one.kind == kind]
            title = f"Compared with the base, {device_table.TITLES[kind]}"
            rows = device_table.change_rows(changed)
            console.print_table(rows, device_table.CHANGE_COLUMNS, title, note)
        for name in found.comparison.only_now:
            console.warn(f"not in the base: {name}")
        for name in found.comparison.only_before:
            console.warn(f"only in the base: {name}")
    console.print_line(found.out)
