"""Masks in false colours over a photograph, or over each frame of a video."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobilekit.core import files
from mobilekit.core.errors import UsageError
from mobilekit.core.progress import Advance
from mobilekit.pipeline.answering import Answering
from mobilekit.pipeline.cropping import CENTRED, Box
from mobilekit.pipeline.opening import THE_SHIPPED, FileFormat, open_network
from mobilekit.pipeline.painting import Painter
from mobilekit.pipeline.request import ExportRequest

if TYPE_CHECKING:
    from mobilekit.pipeline.cropping import Pixels

Progress = Callable[[str], None]
NET, VIDEO_NET = "mobile-hourglass", "mobile-hourglass-video"


class ParseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One picture or video, and where its masks go."""

    path: Path
    out: Path
    net: ExportRequest = THE_SHIPPED
    box: Box | None = None
    form: FileFormat = "tflite"
    legend: bool = False
    threads: int = 1


class Parsing(msgspec.Struct, frozen=True):
    """What was drawn, and how much of the box each class covers."""

    path: str
    out: str
    net: str
    by: str
    untrained: bool
    box: Box
    frames: int
    shares: dict[str, float]
    """Of the box's pixels, 0–1, over all frames."""
    notes: tuple[str, ...] = ()


def parse(request: ParseRequest, progress: Progress) -> Parsing:
    """Draw a network's masks over a picture (a `.png` file) or a video (an `.mp4` file).

    Raises:
        UsageError: the file to write has another ending.
        DataError: the picture or video cannot be read, or the box reaches beyond it.
        ModelError: no such network, no trained one that ships, or one that gives no masks.
        OutputError: the file cannot be written.
    """
    video = is_video(request.path)
    _check_out(request.out, ".mp4" if video else ".png")
    progress("loading the network")
    net = open_network(
        request.net, _default(video=video), form=request.form, threads=request.threads
    )
    painter = Painter(net, request.path, request.box, legend=request.legend)
    if video:
        _follow(request, painter, progress)
    else:
        _one(request, painter, progress)
    return Parsing(
        path=str(request.path),
        out=str(request.out),
        net=net.name,
        by=net.by,
        untrained=net.untrained,
        box=painter.box,
        frames=painter.frames,
        shares=painter.shares(),
        notes=(*untrained_note(net), *(CENTRED,) * (request.box is None)),
    )


def is_video(path: Path) -> bool:
    """Say whether a file is a video, by its ending."""
    from mobilekit.data.video import SUFFIXES

    return path.suffix.lower() in SUFFIXES


def untrained_note(net: Answering) -> tuple[str, ...]:
    """Return what to say of a network whose weights are random."""
    return (f"{net.name}: the network is UNTRAINED: its answer means nothing",) * net.untrained


def _default(*, video: bool) -> str:
    """Return the network that ships for videos, if it is there; else that for pictures."""
    from mobilekit.nets.shipped import find_shipped

    return VIDEO_NET if video and find_shipped(VIDEO_NET) is not None else NET


def _check_out(out: Path, ending: str) -> None:
    if out.suffix.lower() != ending:
        kind = "video" if ending == ".mp4" else "picture"
        raise UsageError(f"--out {out}: expected a name that ends in {ending}, for a {kind}")


def _one(request: ParseRequest, painter: Painter, progress: Progress) -> None:
    import numpy as np

    from mobilekit.data.formats import pictures
    from mobilekit.report import overlay

    pixels = np.asarray(pictures.read(request.path, upright=True))
    progress("running the network")
    files.write_bytes(request.out, overlay.png(painter(pixels)))


def _follow(request: ParseRequest, painter: Painter, progress: Progress) -> None:
    """Write a video frame by frame; the network is told of each what it found in the one before."""
    from mobilekit.data.video import each_frame, look, write_video

    facts = look(request.path)

    def painted() -> "Iterator[Pixels]":
        for number, pixels in enumerate(each_frame(request.path), start=1):
            yield painter(pixels)
            progress(Advance(f"frame {number} of {facts.frames}", number, facts.frames))

    write_video(request.out, painted(), facts.rate)
