"""The options of `mobilekit profile` that are of phones, and what they become."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mobilekit.core.device_words import COMPUTE_UNITS, Unit
from mobilekit.core.errors import UsageError, suggestion

PANEL = "Phones"
Place = Literal["host", "android", "ios"]
ANDROID_UNITS: dict[str, tuple[Unit, ...]] = {"cpu": ("cpu",), "gpu": ("gpu",), "npu": ("npu",)}

DeviceOption = Annotated[
    Place, typer.Option("--device", help="Where: this machine, or a phone.", rich_help_panel=PANEL)
]
Serial = Annotated[
    str | None,
    typer.Option(help="Which phone: adb's serial number, or a UDID.", rich_help_panel=PANEL),
]
BackendOption = Annotated[
    Literal["app", "benchmark_model"],
    typer.Option(
        "--backend", help="The sample app, or LiteRT's own program.", rich_help_panel=PANEL
    ),
]
BenchmarkModel = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Your Android build of benchmark_model.", rich_help_panel=PANEL
    ),
]
Packages = Annotated[
    list[Path],
    typer.Option(
        "--apk", metavar="FILE", rich_help_panel=PANEL,
        help="Install this first: the sample app, and its tests; repeat for more.",
    ),
]  # fmt: skip
Project = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", rich_help_panel=PANEL,
        help="iOS: run the benchmark test of this .xcodeproj, instead of an app that is installed.",
    ),
]  # fmt: skip
Units = Annotated[
    str | None,
    typer.Option(
        "--compute-units", rich_help_panel=PANEL,
        help=f"Android: {', '.join(ANDROID_UNITS)} (cpu); iOS: {', '.join(COMPUTE_UNITS)} (all).",
    ),
]  # fmt: skip
Timeout = Annotated[
    float,
    typer.Option(min=1.0, help="Seconds that one measurement may take.", rich_help_panel=PANEL),
]


def parse_units(text: str | None, place: Literal["android", "ios"]) -> tuple[Unit, ...]:
    """Read `--compute-units`.

    Raises:
        UsageError: a word that the system does not have.
    """
    known = COMPUTE_UNITS if place == "ios" else ANDROID_UNITS
    word = text or ("all" if place == "ios" else "cpu")
    if word not in known:
        raise UsageError(
            f"--compute-units {word}: expected one of {', '.join(known)} for {place}."
            f"{suggestion(word, known)}"
        )
    return known[word]
